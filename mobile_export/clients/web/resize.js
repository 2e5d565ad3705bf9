// Brings pixels to a network's input size as the Python runtime does: what is shrunk a lot is first averaged over
// whole boxes, then a triangle filter as wide as the shrinking runs along rows and along columns. Both work in
// integers and round as Pillow does, so that both runtimes see the same bytes.

const GAP = 2; // the box leaves at least so many times the size that is asked for
const PRECISION = 22; // bits behind the point of a filter's weight
const HALF = 1 << (PRECISION - 1);

/**
 * @param {Uint8Array|Uint8ClampedArray} rgba `width * height * 4` bytes; the fourth of each pixel is not looked at
 * @param {number} width pixels
 * @param {number} height pixels
 * @param {[number, number]} size `[height, width]` of the result, pixels
 * @returns {Uint8Array} RGB, `size[0] * size[1] * 3` bytes
 */
export function resize(rgba, width, height, [outHeight, outWidth]) {
  const factorX = Math.trunc(width / outWidth / GAP) || 1;
  const factorY = Math.trunc(height / outHeight / GAP) || 1;
  let image = { data: rgba, width, height, channels: 4 };
  if ((factorX > 1 || factorY > 1) && (width !== outWidth || height !== outHeight)) {
    image = boxes(image, factorX, factorY);
  }
  // What the boxes left of the picture, which may end within the last box; Pillow keeps it in 32 bits.
  const extentX = Math.fround(width / factorX);
  const extentY = Math.fround(height / factorY);
  const passes = [];
  if (outWidth !== image.width || extentX !== outWidth) {
    const filter = weights(image.width, extentX, outWidth);
    passes.push((given) => alongRows(given, filter));
  }
  if (outHeight !== image.height || extentY !== outHeight) {
    const filter = weights(image.height, extentY, outHeight);
    passes.push((given) => alongColumns(given, filter));
  }
  if (columnsFirst(image, outWidth, outHeight)) passes.reverse();
  for (const pass of passes) image = pass(image);
  return image.channels === 3 ? image.data : withoutAlpha(image);
}

/** Pillow 13 begins with the columns where that leaves clearly fewer pixels; each pass rounds, so the order counts. */
function columnsFirst({ width, height }, outWidth, outHeight) {
  return height > outHeight && 2 * (width - outWidth) < height - outHeight;
}

/** Means of boxes of `factorX` by `factorY` pixels; those at the right and lower edge may be smaller. */
function boxes({ data, width, height, channels }, factorX, factorY) {
  const outWidth = Math.ceil(width / factorX);
  const outHeight = Math.ceil(height / factorY);
  const out = new Uint8Array(outWidth * outHeight * 3);
  const sums = new Float64Array(outWidth * 3);
  for (let y = 0; y < outHeight; y++) {
    const rows = Math.min(factorY, height - y * factorY);
    sums.fill(0);
    for (let row = 0; row < rows; row++) {
      let from = (y * factorY + row) * width * channels;
      for (let x = 0; x < width; x++, from += channels) {
        const to = Math.trunc(x / factorX) * 3;
        sums[to] += data[from];
        sums[to + 1] += data[from + 1];
        sums[to + 2] += data[from + 2];
      }
    }
    for (let x = 0; x < outWidth; x++) {
      const count = rows * Math.min(factorX, width - x * factorX);
      const share = Math.floor(2 ** 24 / count);
      const half = Math.trunc(count / 2);
      for (let c = 0; c < 3; c++) {
        out[(y * outWidth + x) * 3 + c] = Math.floor(((sums[x * 3 + c] + half) * share) / 2 ** 24);
      }
    }
  }
  return { data: out, width: outWidth, height: outHeight, channels: 3 };
}

/** For each place of the result: the first place that it is made of, how many, and their weights. */
function weights(size, extent, outSize) {
  const scale = extent / outSize;
  const reach = Math.max(scale, 1);
  const stride = Math.ceil(reach) * 2 + 1;
  const starts = new Int32Array(outSize);
  const counts = new Int32Array(outSize);
  const values = new Int32Array(outSize * stride);
  for (let place = 0; place < outSize; place++) {
    const centre = (place + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - reach + 0.5));
    const count = Math.min(size, Math.trunc(centre + reach + 0.5)) - start;
    const shares = Array.from({ length: count }, (_, k) => {
      const distance = Math.abs((k + start - centre + 0.5) * (1 / reach));
      return Math.max(0, 1 - distance);
    });
    const sum = shares.reduce((total, share) => total + share, 0);
    shares.forEach((share, k) => {
      values[place * stride + k] = Math.trunc(0.5 + (sum ? share / sum : share) * 2 ** PRECISION);
    });
    starts[place] = start;
    counts[place] = count;
  }
  return { size: outSize, stride, starts, counts, values };
}

function alongRows({ data, width, height, channels }, filter) {
  const out = new Uint8ClampedArray(filter.size * height * 3);
  for (let x = 0; x < filter.size; x++) {
    const count = filter.counts[x];
    const first = x * filter.stride;
    for (let y = 0; y < height; y++) {
      let from = (y * width + filter.starts[x]) * channels;
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      for (let k = 0; k < count; k++, from += channels) {
        const weight = filter.values[first + k];
        red += data[from] * weight;
        green += data[from + 1] * weight;
        blue += data[from + 2] * weight;
      }
      const to = (y * filter.size + x) * 3;
      out[to] = red >> PRECISION;
      out[to + 1] = green >> PRECISION;
      out[to + 2] = blue >> PRECISION;
    }
  }
  return { data: new Uint8Array(out.buffer), width: filter.size, height, channels: 3 };
}

function alongColumns({ data, width, channels }, filter) {
  const out = new Uint8ClampedArray(width * filter.size * 3);
  const step = width * channels;
  for (let y = 0; y < filter.size; y++) {
    const count = filter.counts[y];
    const first = y * filter.stride;
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) {
        let from = filter.starts[y] * step + x * channels + c;
        let sum = HALF;
        for (let k = 0; k < count; k++, from += step) sum += data[from] * filter.values[first + k];
        out[(y * width + x) * 3 + c] = sum >> PRECISION;
      }
    }
  }
  return { data: new Uint8Array(out.buffer), width, height: filter.size, channels: 3 };
}

function withoutAlpha({ data, width, height }) {
  const out = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < out.length; from += 4, to += 3) {
    out[to] = data[from];
    out[to + 1] = data[from + 1];
    out[to + 2] = data[from + 2];
  }
  return out;
}
