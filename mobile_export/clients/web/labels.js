// The classes of a mask: names, colours, shares.

/** The label of a class id; made up, in a colour of PASCAL VOC's map, for an id that `labels` does not hold. */
export function labelOf(id, labels) {
  return labels.find((label) => label.id === id) ?? { id, name: `class ${id}`, color: vocColor(id) };
}

/** RGBA of every class id, 256 × 4 bytes, opaque. */
export function palette(labels) {
  const colors = new Uint8ClampedArray(256 * 4);
  for (let id = 0; id < 256; id++) colors.set([...labelOf(id, labels).color, 255], id * 4);
  return colors;
}

/** `[id, share]` of each class that a mask holds, share 0-1, largest first. */
export function sharesOf(mask) {
  const counts = new Uint32Array(256);
  for (const id of mask) counts[id]++;
  return Array.from(counts, (count, id) => [id, count / mask.length])
    .filter(([, share]) => share > 0)
    .toSorted((a, b) => b[1] - a[1]);
}

/** Bits 0, 1, 2 of an id are the highest bits of red, green and blue, its next three the next ones. */
function vocColor(id) {
  return [0, 1, 2].map((channel) => {
    let value = 0;
    for (let place = 0; place < 8; place++) value |= ((id >> (3 * place + channel)) & 1) << (7 - place);
    return value;
  });
}
