// The camera's frames, one at a time.

import { InputError } from "./bundle.js";
import { Picture } from "./picture.js";

const REASONS = {
  NotAllowedError: "The camera was refused; allow it for this page to segment its frames.",
  NotFoundError: "No camera was found on this device.",
  NotReadableError: "The camera is in use by another program.",
};

/** A running camera, made by `Camera.open`. */
export class Camera {
  #stream;
  #video;

  constructor(stream, video) {
    this.#stream = stream;
    this.#video = video;
  }

  /**
   * @param {function(): void} ended is called if the camera stops by itself, e.g. when it is unplugged
   * @throws {InputError} it was refused, there is none, or the page may not ask
   */
  static async open(ended = () => {}) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new InputError("The camera can be used on pages from localhost or by https alone.");
    }
    let stream;
    try {
      const video = { facingMode: "environment", width: { ideal: 640 }, height: { ideal: 480 } };
      stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
    } catch (error) {
      throw new InputError(REASONS[error.name] ?? `The camera does not start: ${error.message}`);
    }
    stream.getVideoTracks()[0].addEventListener("ended", ended);
    const video = document.createElement("video");
    Object.assign(video, { srcObject: stream, muted: true, playsInline: true });
    await video.play();
    return new Camera(stream, video);
  }

  /** The frame of this moment; close its `source` when it is no longer shown. */
  async frame() {
    const bitmap = await createImageBitmap(this.#video);
    return new Picture(bitmap, bitmap.width, bitmap.height);
  }

  close() {
    for (const track of this.#stream.getTracks()) track.stop();
    this.#video.srcObject = null;
  }
}
