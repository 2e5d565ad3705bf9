// Pictures and camera frames as pixels.

import { InputError } from "./bundle.js";
import { resize } from "./resize.js";

const MOST_PIXELS = 12e6; // of a picture that is worked on: 48 MB of memory

/** A picture, whose pixels any tier can have at its input size. */
export class Picture {
  #rgba = null;
  #resized = new Map();

  /**
   * @param {CanvasImageSource} source what is drawn: an ImageBitmap, a canvas, a video
   * @param {number} width pixels
   * @param {number} height pixels
   */
  constructor(source, width, height) {
    this.source = source;
    this.width = width;
    this.height = height;
  }

  /**
   * Reads a picture file the way that it is meant to be seen: turned as its EXIF says, transparency over white.
   *
   * @param {Blob} file any picture that the browser knows
   * @param {string} [name] what messages call it
   * @returns {Promise<Picture>} with `reducedFrom` `[width, height]` if it was too large and was shrunk
   * @throws {InputError} it is no picture
   */
  static async read(file, name = file.name ?? "the file") {
    const options = { imageOrientation: "from-image", colorSpaceConversion: "none" };
    let bitmap;
    try {
      bitmap = await createImageBitmap(file, options);
    } catch {
      throw new InputError(`${name} is no picture that this browser can read (JPEG, PNG, WebP, …).`);
    }
    const { width, height } = bitmap;
    if (width * height <= MOST_PIXELS) return new Picture(bitmap, width, height);
    const share = Math.sqrt(MOST_PIXELS / (width * height));
    const size = { resizeWidth: Math.round(width * share), resizeHeight: Math.round(height * share) };
    const small = await createImageBitmap(bitmap, { ...size, resizeQuality: "high" });
    bitmap.close();
    const picture = new Picture(small, small.width, small.height);
    picture.reducedFrom = [width, height];
    return picture;
  }

  /** RGB of the picture at `[height, width]`, `height * width * 3` bytes; computed once a size. */
  pixels(size) {
    const key = size.join("x");
    if (!this.#resized.has(key)) {
      this.#rgba ??= readPixels(this.source, this.width, this.height);
      this.#resized.set(key, resize(this.#rgba, this.width, this.height, size));
    }
    return this.#resized.get(key);
  }
}

function readPixels(source, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}
