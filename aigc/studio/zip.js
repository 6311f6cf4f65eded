/** ZIP archives of stored files (PKWARE APPNOTE 6.3.10): pictures are compressed already. */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

const UTF8_NAMES = 1 << 11;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;

export function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 255];
  return ~crc >>> 0;
}

/** A Blob of `files`: [{ name, bytes: Uint8Array }], fewer than 65,536 and less than 4 GiB. */
export function zip(files, date = new Date()) {
  const parts = [];
  const central = [];
  let offset = 0;
  for (const { name, bytes } of files) {
    const label = new TextEncoder().encode(name);
    const facts = common(bytes, label, date);
    parts.push(record(LOCAL_BYTES, 0x04034b50, 4, facts), label, bytes);
    const entry = record(CENTRAL_BYTES, 0x02014b50, 6, facts);
    new DataView(entry.buffer).setUint16(4, 20, true);
    new DataView(entry.buffer).setUint32(42, offset, true);
    central.push(entry, label);
    offset += LOCAL_BYTES + label.length + bytes.length;
  }
  const size = central.reduce((sum, part) => sum + part.length, 0);
  return new Blob([...parts, ...central, end(files.length, size, offset)], {
    type: "application/zip",
  });
}

/** The 26 bytes that an entry's two headers share: version needed to extra field length. */
function common(bytes, label, date) {
  const view = new DataView(new ArrayBuffer(26));
  const time = (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1);
  const day = ((date.getFullYear() - 1980) << 9) | ((date.getMonth() + 1) << 5) | date.getDate();
  view.setUint16(0, 20, true);
  view.setUint16(2, UTF8_NAMES, true);
  view.setUint16(6, time, true);
  view.setUint16(8, day, true);
  view.setUint32(10, crc32(bytes), true);
  view.setUint32(14, bytes.length, true);
  view.setUint32(18, bytes.length, true);
  view.setUint16(22, label.length, true);
  return new Uint8Array(view.buffer);
}

function record(size, signature, at, facts) {
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setUint32(0, signature, true);
  bytes.set(facts, at);
  return bytes;
}

function end(count, size, offset) {
  const view = new DataView(new ArrayBuffer(END_BYTES));
  view.setUint32(0, 0x06054b50, true);
  view.setUint16(8, count, true);
  view.setUint16(10, count, true);
  view.setUint32(12, size, true);
  view.setUint32(16, offset, true);
  return new Uint8Array(view.buffer);
}
