/** Randomness that can be repeated: CARILLON_SEED gives the seed, and each run prints its own. */
export const seed = Number(process.env.CARILLON_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** Mulberry32: the same numbers for the same seed, 0 to 1. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Real programs take real time. */
export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
