// Draws a picture with its mask over it, and tells the class under the pointer.

import { labelOf, palette } from "./labels.js";

const LONGEST_SIDE = 2048; // of what is drawn, pixels
const KEY_STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Two canvases, one over the other. The pointer, or the arrow keys once the stage has the focus, pick a pixel. */
export class View {
  #stage;
  #picture;
  #mask;
  #tip;
  #result = null;
  #labels = [];
  #at = null; // [x, y] that is asked about, shares of the picture's width and height

  /**
   * @param {HTMLElement} stage can take the focus
   * @param {HTMLCanvasElement} picture
   * @param {HTMLCanvasElement} mask lies over `picture`
   * @param {HTMLElement} tip says the class
   */
  constructor(stage, picture, mask, tip) {
    this.#stage = stage;
    this.#picture = picture;
    this.#mask = mask;
    this.#tip = tip;
    stage.addEventListener("pointermove", (event) => this.#ask(this.#placeOf(event)));
    stage.addEventListener("pointerleave", () => this.#ask(null));
    stage.addEventListener("blur", () => this.#ask(null));
    stage.addEventListener("keydown", (event) => this.#step(event));
    new ResizeObserver(() => this.#tell()).observe(stage);
  }

  /** @param {number} opacity 0 shows the picture alone, 1 the mask alone */
  set opacity(opacity) {
    this.#mask.style.opacity = opacity;
  }

  /** Shows a picture with its result; or the picture alone where the result is null. */
  show(picture, result, labels) {
    const share = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
    const width = Math.max(1, Math.round(picture.width * share));
    const height = Math.max(1, Math.round(picture.height * share));
    for (const canvas of [this.#picture, this.#mask]) {
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    }
    const context = this.#picture.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, width, height);
    context.drawImage(picture.source, 0, 0, width, height);
    this.#result = result;
    this.#labels = labels;
    const over = this.#mask.getContext("2d");
    over.clearRect(0, 0, width, height);
    if (result) {
      over.imageSmoothingEnabled = false;
      over.drawImage(painted(result, labels), 0, 0, width, height);
    }
    this.#tell();
  }

  /** Where the picture lies in the stage, CSS pixels: as large as fits, in the middle. */
  #frame() {
    const { clientWidth, clientHeight } = this.#stage;
    const scale = Math.min(clientWidth / this.#picture.width, clientHeight / this.#picture.height);
    const width = this.#picture.width * scale;
    const height = this.#picture.height * scale;
    return { left: (clientWidth - width) / 2, top: (clientHeight - height) / 2, width, height };
  }

  #placeOf(event) {
    const box = this.#stage.getBoundingClientRect();
    const { left, top, width, height } = this.#frame();
    const x = (event.clientX - box.left - this.#stage.clientLeft - left) / width;
    const y = (event.clientY - box.top - this.#stage.clientTop - top) / height;
    return x >= 0 && x < 1 && y >= 0 && y < 1 ? [x, y] : null;
  }

  #step(event) {
    if (event.key === "Escape") this.#ask(null);
    const step = KEY_STEPS[event.key];
    if (!step || !this.#result) return;
    event.preventDefault();
    const [x, y] = this.#at ?? [0.5, 0.5];
    const far = event.shiftKey ? 0.1 : 0.01;
    this.#ask([x + far * step[0], y + far * step[1]].map((value) => Math.min(0.999, Math.max(0, value))));
  }

  #ask(place) {
    this.#at = place;
    this.#tell();
  }

  #tell() {
    this.#tip.hidden = !(this.#at && this.#result);
    if (this.#tip.hidden) return;
    const [x, y] = this.#at;
    const { mask, maskSize } = this.#result;
    const id = mask[Math.floor(y * maskSize[0]) * maskSize[1] + Math.floor(x * maskSize[1])];
    const { name, color } = labelOf(id, this.#labels);
    const { left, top, width, height } = this.#frame();
    this.#tip.querySelector("span").textContent = name;
    this.#tip.style.setProperty("--color", `rgb(${color.join(" ")})`);
    this.#tip.style.left = `${left + x * width}px`;
    this.#tip.style.top = `${top + y * height}px`;
    this.#tip.classList.toggle("leftward", left + x * width > this.#stage.clientWidth - 140);
  }
}

/** A mask in its classes' colours, at its own size. */
function painted({ mask, maskSize: [height, width] }, labels) {
  const colors = new Uint32Array(palette(labels).buffer);
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let k = 0; k < mask.length; k++) pixels[k] = colors[mask[k]];
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
