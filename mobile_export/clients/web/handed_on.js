// Finds the outputs of a model's signatures that are inputs, handed on as they are.
//
// A stage hands on the states that only later stages need: one tensor is then an input and an output. LiteRT.js
// leaves the buffer of such an output unwritten, so whoever chains stages takes the input itself. Which outputs
// those are only the file tells: a `.tflite` is a FlatBuffer, of which a few tables are read here.

const MODEL = { signatures: 7 }; // numbers of the fields that are read, from the schema of `.tflite`
const SIGNATURE = { inputs: 0, outputs: 1, key: 2 };
const NAMED_TENSOR = { name: 0, tensor: 1 };

/**
 * @param {Uint8Array} model bytes of a `.tflite`
 * @returns {Object<string, Object<string, string>>} by signature: name of the output -> name of the input that it is
 */
export function handedOn(model) {
  const reader = new Reader(model);
  const root = reader.view.getUint32(0, true);
  const found = {};
  for (const signature of reader.tables(root, MODEL.signatures)) {
    const inputs = tensors(reader, signature, SIGNATURE.inputs);
    const outputs = tensors(reader, signature, SIGNATURE.outputs);
    const pairs = outputs.flatMap(([name, tensor]) => {
      const same = inputs.find(([, other]) => other === tensor);
      return same ? [[name, same[0]]] : [];
    });
    found[reader.text(signature, SIGNATURE.key)] = Object.fromEntries(pairs);
  }
  return found;
}

function tensors(reader, signature, field) {
  return reader.tables(signature, field).map((table) => [
    reader.text(table, NAMED_TENSOR.name),
    reader.unsigned(table, NAMED_TENSOR.tensor),
  ]);
}

/** Follows a FlatBuffer's offsets; a table is the place where it begins. */
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Place of a field, or 0 where the table leaves it out. */
  #field(table, number) {
    const layout = table - this.view.getInt32(table, true);
    const entry = 4 + 2 * number;
    if (entry >= this.view.getUint16(layout, true)) return 0;
    const offset = this.view.getUint16(layout + entry, true);
    return offset && table + offset;
  }

  /** What a field's offset leads to, or 0. */
  #target(table, number) {
    const place = this.#field(table, number);
    return place && place + this.view.getUint32(place, true);
  }

  unsigned(table, number) {
    const place = this.#field(table, number);
    return place ? this.view.getUint32(place, true) : 0;
  }

  text(table, number) {
    const place = this.#target(table, number);
    if (!place) return "";
    const size = this.view.getUint32(place, true);
    return new TextDecoder().decode(this.bytes.subarray(place + 4, place + 4 + size));
  }

  tables(table, number) {
    const list = this.#target(table, number);
    const count = list ? this.view.getUint32(list, true) : 0;
    return Array.from({ length: count }, (_, k) => {
      const place = list + 4 + 4 * k;
      return place + this.view.getUint32(place, true);
    });
  }
}
