/** G.711, µ-law: sign, three bits of exponent, four of mantissa, all of it inverted. Samples are -1 to 1. */

const bias = 33;
const loudest = 8_158;

export function toMuLaw(sample: number): number {
  const magnitude = Math.min(Math.round(Math.abs(sample) * loudest), loudest) + bias;
  const exponent = Math.floor(Math.log2(magnitude)) - 5;
  const mantissa = (magnitude >> (exponent + 1)) & 0x0f;
  return ~((sample < 0 ? 0x80 : 0) | (exponent << 4) | mantissa) & 0xff;
}

export function fromMuLaw(byte: number): number {
  const value = ~byte & 0xff;
  const magnitude = ((((value & 0x0f) << 1) + bias) << ((value >> 4) & 7)) - bias;
  return (value & 0x80 ? -magnitude : magnitude) / loudest;
}
