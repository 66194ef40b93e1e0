// Makes the pictures of the README small: a page has few colours, and a PNG with a palette has a byte a pixel. Reads what
// Chromium writes (8 bits a channel, not interlaced) and nothing else.
import { deflateSync, inflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');
const PALETTE = 256;

/** The parts of a PNG, by name; parts of the same name are joined. */
function chunks(png) {
  const found = {};
  for (let at = SIGNATURE.length; at < png.length; ) {
    const length = png.readUInt32BE(at);
    const name = png.toString('latin1', at + 4, at + 8);
    const data = png.subarray(at + 8, at + 8 + length);
    found[name] = found[name] ? Buffer.concat([found[name], data]) : data;
    at += 12 + length;
  }
  return found;
}

const CRC = Int32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit += 1) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  let crc = -1;
  for (const byte of body) crc = CRC[(crc ^ byte) & 255] ^ (crc >>> 8);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeInt32BE(~crc, body.length + 4);
  return framed;
}

const paeth = (left, up, corner) => {
  const guess = left + up - corner;
  const [a, b, c] = [left, up, corner].map((value) => Math.abs(guess - value));
  return a <= b && a <= c ? left : b <= c ? up : corner;
};

/** Rows of bytes without the filters of PNG. */
function rows({ width, height, channels, data }) {
  const stride = width * channels;
  const plain = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y += 1) {
    const filter = data[y * (stride + 1)];
    for (let x = 0; x < stride; x += 1) {
      const at = y * stride + x;
      const left = x >= channels ? plain[at - channels] : 0;
      const up = y > 0 ? plain[at - stride] : 0;
      const corner = x >= channels && y > 0 ? plain[at - stride - channels] : 0;
      const add = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
      plain[at] = data[y * (stride + 1) + 1 + x] + add;
    }
  }
  return plain;
}

/** The same picture with its most frequent colours; the few others become the nearest of them. */
export function small(png) {
  const { IHDR, IDAT } = chunks(png);
  const [width, height, channels] = [IHDR.readUInt32BE(0), IHDR.readUInt32BE(4), IHDR[9] === 6 ? 4 : 3];
  if (IHDR[8] !== 8 || ![2, 6].includes(IHDR[9]) || IHDR[12] !== 0) throw new Error('not a PNG as Chromium writes it');
  const plain = rows({ width, height, channels, data: inflateSync(IDAT) });
  const colour = (pixel) => plain.readUIntBE(pixel * channels, 3);
  const counts = new Map();
  for (let pixel = 0; pixel < width * height; pixel += 1) counts.set(colour(pixel), (counts.get(colour(pixel)) ?? 0) + 1);
  const palette = [...counts].sort((a, b) => b[1] - a[1]).slice(0, PALETTE).map(([value]) => value);
  const apart = (a, b) => [16, 8, 0].reduce((sum, shift) => sum + (((a >> shift) & 255) - ((b >> shift) & 255)) ** 2, 0);
  const nearest = (value) => palette.reduce((best, entry, place) => (apart(entry, value) < apart(palette[best], value) ? place : best), 0);
  const places = new Map([...counts.keys()].map((value) => [value, nearest(value)]));
  const indexed = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) indexed[y * (width + 1) + 1 + x] = places.get(colour(y * width + x));
  }
  const head = Buffer.from(IHDR);
  head[9] = 3;
  const colours = Buffer.from(palette.flatMap((value) => [value >> 16, (value >> 8) & 255, value & 255]));
  const parts = [chunk('IHDR', head), chunk('PLTE', colours), chunk('IDAT', deflateSync(indexed, { level: 9 })), chunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([SIGNATURE, ...parts]);
}
