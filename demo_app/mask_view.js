// Draws masks over their picture; opacity, divider and the class under the pointer need no server.

const views = new WeakMap();

export default function ({ parentElement, data }) {
  const figure = parentElement.querySelector(".mask-view");
  if (!views.has(figure)) views.set(figure, new MaskView(figure));
  views.get(figure).show(data);
}

class MaskView {
  constructor(figure) {
    this.figure = figure;
    this.canvas = figure.querySelector("canvas");
    this.tip = figure.querySelector(".tip");
    this.opacity = figure.querySelector(".opacity input");
    this.split = figure.querySelector(".split input");
    this.turn = 0;
    this.opacity.addEventListener("input", () => this.draw());
    this.split.addEventListener("input", () => this.draw());
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerdown", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => (this.tip.hidden = true));
    this.canvas.addEventListener("keydown", (event) => this.move(event));
  }

  /** data: picture (URL), masks [{title, url, latency_ms}], labels {id: {name, color}}. */
  async show(data) {
    const turn = ++this.turn;
    const urls = data.masks.map((mask) => mask.url);
    // A switch of the tier leaves the picture as it is.
    const kept = data.picture === this.url ? this.picture : decoded(data.picture);
    let images;
    try {
      images = await Promise.all([kept, ...urls.map(decoded)]);
    } catch {
      return; // the next one replaces it
    }
    if (turn !== this.turn) return; // a later mask has come meanwhile
    const [picture, ...masks] = images;
    this.labels = data.labels;
    this.picture = picture;
    this.url = data.picture;
    this.masks = masks.map((image, place) => ({ ...data.masks[place], ...painted(image, data.labels) }));
    this.figure.querySelector(".split").hidden = masks.length < 2;
    Object.assign(this.canvas, { width: picture.width, height: picture.height });
    this.canvas.ariaLabel = `Mask of ${data.masks.map((mask) => mask.title).join(" and ")}`;
    this.draw();
    this.figure.dataset.shown = data.masks.map((mask) => mask.title).join(", ");
    this.figure.dataset.latency = data.masks[0].latency_ms;
    this.figure.dataset.frame = data.frame;
  }

  draw() {
    const { width, height } = this.canvas;
    const context = this.canvas.getContext("2d");
    context.globalAlpha = 1;
    context.drawImage(this.picture, 0, 0);
    context.globalAlpha = this.opacity.value / 100;
    context.imageSmoothingEnabled = false;
    const middle = this.masks.length > 1 ? (width * this.split.value) / 100 : width;
    this.masks.forEach((mask, place) => {
      const [from, to] = place ? [middle, width] : [0, middle];
      context.save();
      context.beginPath();
      context.rect(from, 0, to - from, height);
      context.clip();
      context.drawImage(mask.canvas, 0, 0, width, height);
      context.restore();
    });
    if (this.masks.length > 1) this.drawDivider(context, middle);
  }

  drawDivider(context, middle) {
    const { width, height } = this.canvas;
    const size = Math.max(12, width / 50);
    Object.assign(context, { globalAlpha: 1, fillStyle: "#fff", font: `600 ${size}px sans-serif` });
    context.shadowColor = "#000";
    context.shadowBlur = size / 3;
    context.fillRect(middle - width / 500, 0, width / 250, height);
    const [left, right] = this.masks.map((mask) => mask.title);
    context.textBaseline = "top";
    context.textAlign = "left";
    context.fillText(left, size / 2, size / 2);
    context.textAlign = "right";
    context.fillText(right, width - size / 2, size / 2);
    context.shadowBlur = 0;
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width;
    const y = (event.clientY - box.top) / box.height;
    if (this.masks?.length > 1 && event.buttons) {
      this.split.value = 100 * x;
      this.draw();
    }
    this.tell(x, y);
  }

  /** Arrow keys move the divider, as a pointer does. */
  move(event) {
    const step = { ArrowLeft: -2, ArrowRight: 2 }[event.key];
    if (!step || this.masks?.length < 2) return;
    event.preventDefault();
    this.split.value = Number(this.split.value) + step;
    this.draw();
  }

  /** Names the class at a place, 0-1. */
  tell(x, y) {
    if (!this.masks) return;
    const second = this.masks.length > 1 && 100 * x > this.split.value;
    const { ids, width, height } = this.masks[second ? 1 : 0];
    const column = Math.min(width - 1, Math.max(0, Math.floor(x * width)));
    const row = Math.min(height - 1, Math.max(0, Math.floor(y * height)));
    const id = ids[row * width + column];
    const label = this.labels[id] ?? { name: `class ${id}`, color: "#808080" };
    this.tip.textContent = label.name;
    this.tip.style.setProperty("--class-color", label.color);
    this.tip.style.left = `${100 * x}%`;
    this.tip.style.top = `${100 * y}%`;
    this.tip.hidden = false;
  }
}

async function decoded(url) {
  return createImageBitmap(await (await fetch(url)).blob());
}

/** A grey image whose values are class ids, as those ids and as a canvas of their colours. */
function painted(image, labels) {
  const { width, height } = image;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, width, height);
  const words = new Uint32Array(pixels.data.buffer);
  const colors = Uint32Array.from({ length: 256 }, (_, id) => word(labels[id]?.color ?? "#808080"));
  const ids = new Uint8Array(width * height);
  for (let place = 0; place < ids.length; place++) {
    ids[place] = words[place] & 255;
    words[place] = colors[ids[place]];
  }
  context.putImageData(pixels, 0, 0);
  return { canvas, ids, width, height };
}

/** #rrggbb as the opaque pixel that a little-endian machine stores. */
function word(color) {
  const value = parseInt(color.slice(1), 16);
  return (0xff000000 | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
}
