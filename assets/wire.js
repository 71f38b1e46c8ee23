// What the server sends, put together again from pieces. wdviz/ui/wire.py describes the payload.

const KEPT = 12; // as in wdviz/ui/wire.py
const TYPES = { f4: Float32Array, f8: Float64Array, i4: Int32Array, u2: Uint16Array, u1: Uint8Array };

export class Wire {
  constructor() {
    this.pieces = new Map(); // id -> { value, uses, last }
    this.number = 0; // of the last payload that was read
  }

  /** The body of a payload, or null where a piece is missing: then ask for everything, with `have: 0`. */
  async open(payload) {
    const stream = new Blob([payload]).stream().pipeThrough(new DecompressionStream("deflate"));
    return this.read(new Uint8Array(await new Response(stream).arrayBuffer()));
  }

  read(bytes) {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    const start = Math.ceil((4 + length) / 8) * 8;
    const text = (from, count) => new TextDecoder().decode(bytes.subarray(from, from + count));
    const { n, pieces, body } = JSON.parse(text(4, length));
    for (const [id, kind, offset, count, shape] of pieces) {
      if (kind === "json") this.pieces.set(id, { text: text(start + offset, count), uses: null, last: n });
      else {
        const from = start + offset;
        const copy = bytes.slice(from, from + count * TYPES[kind].BYTES_PER_ELEMENT); // so that it does not hold the whole payload
        this.pieces.set(id, { value: Object.assign(new TYPES[kind](copy.buffer), shape.length ? { shape } : {}), uses: [], last: n });
      }
    }
    const uses = new Set();
    const built = this.build(body, uses);
    if (uses.has(null)) return null;
    for (const id of uses) this.pieces.get(id).last = n;
    this.number = n;
    return built;
  }

  /** The number to acknowledge. From now on only the pieces of the last few payloads up to this one, and of later ones, are kept. */
  acknowledge() {
    for (const [id, piece] of this.pieces) if (piece.last <= this.number - KEPT) this.pieces.delete(id);
    return this.number;
  }

  build(value, uses) {
    if (Array.isArray(value)) return value.map((item) => this.build(item, uses));
    if (!value || typeof value !== "object") return value;
    const each = (object, make) => Object.fromEntries(Object.entries(object).map(([name, item]) => [name, make(item)]));
    if (!("$" in value)) return each(value, (item) => this.build(item, uses));
    const { $: given } = value;
    if (typeof given !== "object" || Array.isArray(given)) return this.array(given, uses);
    const { of: whole, ...arrays } = given;
    return { ...this.piece(whole, uses), ...each(arrays, (array) => this.array(array, uses)), ...value.with };
  }

  /** A piece, or several in one array with a gap after each. */
  array(given, uses) {
    if (!Array.isArray(given)) return this.piece(given, uses);
    const parts = given.map((id) => this.piece(id, uses));
    if (parts.includes(null)) return null;
    const joined = new parts[0].constructor(parts.reduce((sum, part) => sum + part.length + 1, 0)).fill(NaN);
    parts.reduce((at, part) => { joined.set(part, at); return at + part.length + 1; }, 0);
    return joined;
  }

  /** Equal ids give the very same object, so that what has not changed can be told by identity. */
  piece(id, uses) {
    const piece = this.pieces.get(id);
    if (!piece) { uses.add(null); return null; }
    if (!piece.uses) {
      const inner = new Set();
      piece.value = this.build(JSON.parse(piece.text), inner);
      if (inner.has(null)) { uses.add(null); return null; }
      piece.uses = [...inner];
      delete piece.text;
    }
    uses.add(id);
    for (const used of piece.uses) uses.add(used);
    return piece.value;
  }
}
