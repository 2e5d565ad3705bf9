// Reads a bundle: the model, and the metadata in a zip at the end of the file.

const METADATA = "metadata.json";
const END_RECORD = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;
const LOCAL_HEADER = 0x04034b50;
const LOCAL_HEADER_SIZE = 30;

/** What is wrong with a file that a person gave, in one line. */
export class InputError extends Error {}

/**
 * One bundle, checked against its own checksum.
 *
 * @param {Uint8Array} content bytes of the whole file
 * @param {string} name file name, for messages
 * @returns {Promise<{name: string, model: Uint8Array, metadata: ?object, labels: object[], checked: boolean}>}
 *   `metadata` is null for a plain `.tflite`; `checked` is false where the browser lends no checksums
 *   (a page that came neither by https nor from localhost)
 * @throws {InputError} the file is no `.tflite`, or it is damaged
 */
export async function readBundle(content, name) {
  if (ascii(content, 4, 8) !== "TFL3") {
    throw new InputError(`${name} is not a bundle: a .tflite file has TFL3 at byte 4, this one has not.`);
  }
  let found;
  try {
    found = await readMetadata(content);
  } catch (error) {
    throw new InputError(`${name} is damaged: the zip with ${METADATA} at its end cannot be read (${error.message}).`);
  }
  if (found === null) return { name, model: content, metadata: null, labels: [], checked: false };
  const { metadata, modelSize } = found;
  const model = content.subarray(0, modelSize);
  const checked = Boolean(globalThis.crypto?.subtle);
  if (checked && (await sha256(model)) !== metadata.sha256) {
    throw new InputError(`${name} is damaged: its model has another sha256 than ${METADATA} says.`);
  }
  return { name, model, metadata, labels: readLabels(metadata, name), checked };
}

/** The metadata and the size of the model before the zip; null where the file carries none. */
async function readMetadata(content) {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const end = findEndRecord(view);
  if (end === null) {
    if (endsInsideMetadata(content, view)) throw new Error("the file ends too early");
    return null;
  }
  const entries = readDirectory(content, view, end);
  const entry = entries.find((item) => item.name === METADATA);
  if (!entry) return null;
  const bytes = await readEntry(content, view, entry);
  const metadata = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  if (metadata === null || typeof metadata !== "object" || Array.isArray(metadata)) {
    throw new Error("it holds no JSON object");
  }
  return { metadata, modelSize: Math.min(...entries.map((item) => item.offset)) };
}

/** Place of the record that closes a zip: in the last bytes, before a comment of at most 65,535. */
function findEndRecord(view) {
  const size = view.byteLength;
  for (let place = size - 22; place >= Math.max(0, size - 22 - 0xffff); place--) {
    if (view.getUint32(place, true) === END_RECORD && place + 22 + view.getUint16(place + 20, true) === size) {
      return place;
    }
  }
  return null;
}

function readDirectory(content, view, end) {
  const count = view.getUint16(end + 10, true);
  const size = view.getUint32(end + 12, true);
  // Offsets count from the start of the zip, which writers place at the file's start or the model's end.
  const shift = end - size - view.getUint32(end + 16, true);
  const entries = [];
  let place = end - size;
  for (let k = 0; k < count; k++) {
    if (view.getUint32(place, true) !== DIRECTORY_ENTRY) throw new Error("its directory is broken");
    const nameSize = view.getUint16(place + 28, true);
    entries.push({
      name: ascii(content, place + 46, place + 46 + nameSize),
      method: view.getUint16(place + 10, true),
      crc: view.getUint32(place + 16, true),
      packedSize: view.getUint32(place + 20, true),
      offset: view.getUint32(place + 42, true) + shift,
    });
    place += 46 + nameSize + view.getUint16(place + 30, true) + view.getUint16(place + 32, true);
  }
  return entries;
}

async function readEntry(content, view, { method, crc, packedSize, offset }) {
  if (view.getUint32(offset, true) !== LOCAL_HEADER) throw new Error("an entry is not where its directory says");
  const start = offset + LOCAL_HEADER_SIZE + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true);
  const packed = content.subarray(start, start + packedSize);
  if (method !== 0 && method !== 8) throw new Error(`it is packed by method ${method}, expected 0 or 8`);
  const bytes = method === 0 ? packed : await inflate(packed);
  if (crc32(bytes) !== crc) throw new Error("its checksum is wrong");
  return bytes;
}

async function inflate(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Whether the file was cut off within its own metadata. */
function endsInsideMetadata(content, view) {
  for (let place = content.length - LOCAL_HEADER_SIZE - METADATA.length; place >= 0; place--) {
    if (view.getUint32(place, true) === LOCAL_HEADER) {
      const start = place + LOCAL_HEADER_SIZE;
      return ascii(content, start, start + METADATA.length) === METADATA;
    }
  }
  return false;
}

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function ascii(bytes, start, end) {
  return String.fromCharCode(...bytes.subarray(start, end));
}

function readLabels(metadata, name) {
  return (metadata.labels ?? []).map((entry) => {
    const { id, name: title, color } = entry ?? {};
    const bytes = Array.isArray(color) && color.length === 3 ? [id, ...color] : [NaN];
    if (title === undefined || !bytes.every((value) => Number.isInteger(value) && value >= 0 && value <= 255)) {
      throw new InputError(
        `${name} has a wrong label in ${METADATA}: expected id, name and color [r, g, b] of 0-255, ` +
          `got ${JSON.stringify(entry)}.`,
      );
    }
    return { id, name: String(title), color };
  });
}
