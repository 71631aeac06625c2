// @ts-check
// Browsers record without a duration, so that players can't seek. This puts it in.

const HEAD = 4096; // bytes in which the element Info begins and ends
const INFO = [0x15, 0x49, 0xa9, 0x66];
const DURATION = 0x4489;

/**
 * @param {Blob} blob a WebM file; others come back as they are
 * @param {number} ms that it lasts
 * @returns {Promise<Blob>}
 */
export async function withDuration(blob, ms) {
  const head = new Uint8Array(await blob.slice(0, HEAD).arrayBuffer());
  const at = head.findIndex((_, i) => INFO.every((byte, j) => head[i + j] === byte));
  if (at < 0) return blob;
  // The size that follows has as many bytes as its first has leading zeros, and one more.
  const start = at + INFO.length, width = Math.clz32(head[start]) - 23;
  let size = head[start] & (0xff >> width);
  for (let i = 1; i < width; i++) size = 256 * size + head[start + i];
  const body = head.slice(start + width, start + width + size);
  if (body.length !== size || body.some((byte, i) => byte === DURATION >> 8 && body[i + 1] === (DURATION & 0xff))) return blob;
  const duration = new DataView(new ArrayBuffer(11));
  duration.setUint16(0, DURATION);
  duration.setUint8(2, 0x88); // 8 bytes follow
  duration.setFloat64(3, ms);
  const length = new DataView(new ArrayBuffer(8));
  length.setUint32(0, 0x01000000);
  length.setUint32(4, size + duration.byteLength);
  return new Blob([head.slice(0, start), length.buffer, duration.buffer, body, blob.slice(start + width + size)], { type: blob.type });
}
