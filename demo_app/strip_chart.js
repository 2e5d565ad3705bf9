// The last frames as a strip: a bar a frame, as high as its time, in the colour of its tier.

const HIGHEST = 3; // times the target: what takes longer is cut off, or one slow frame would flatten the others

export default function ({ parentElement, data }) {
  const canvas = parentElement.querySelector("canvas");
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  Object.assign(canvas, { width: width * scale, height: height * scale });
  const context = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  context.scale(scale, scale);
  context.font = `12px ${style.fontFamily}`;
  const { frames, target_ms: target, capacity, colors } = data;
  const slowest = Math.max(...frames.map((frame) => frame.ms));
  const top = 1.15 * Math.min(Math.max(slowest, 1.2 * target), HIGHEST * target);
  const y = (ms) => height * Math.max(0, 1 - ms / top);
  const step = width / capacity;
  frames.forEach((frame, place) => {
    context.fillStyle = colors[frame.tier];
    context.globalAlpha = frame.ms > target ? 1 : 0.75;
    const x = width - (frames.length - place) * step;
    context.fillRect(x, y(frame.ms), Math.max(1, step - 0.5), height);
  });
  context.globalAlpha = 1;
  context.strokeStyle = style.color;
  context.fillStyle = style.color;
  context.setLineDash([5, 4]);
  context.beginPath();
  context.moveTo(0, y(target));
  context.lineTo(width, y(target));
  context.stroke();
  context.setLineDash([]);
  Object.assign(context, { lineWidth: 4, lineJoin: "round", strokeStyle: style.backgroundColor });
  for (const draw of ["strokeText", "fillText"]) context[draw](`${target.toFixed(1)} ms`, 4, y(target) - 5);
  const ran = new Set(frames.map((frame) => frame.tier));
  const tiers = Object.keys(colors).filter((tier) => ran.has(tier)); // lightest first
  parentElement.querySelector(".tiers").replaceChildren(
    ...tiers.map((tier) => {
      const item = document.createElement("span");
      item.textContent = tier;
      item.style.setProperty("--tier-color", colors[tier]);
      return item;
    }),
  );
  canvas.ariaLabel = `Times of the last ${frames.length} frames; target ${target.toFixed(1)} ms`;
  canvas.dataset.frames = frames.length;
}
