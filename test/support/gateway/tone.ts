/** Which tone is in a sound. */

/**
 * How much of a sound is a sine of this frequency: 1 for nothing but it, 0 for none of it, and 0 for
 * silence. Goertzel's algorithm.
 */
export function toneShare(samples: Float32Array, sampleRate: number, frequency: number): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * frequency) / sampleRate);
  let [before, last, energy] = [0, 0, 0];
  for (const sample of samples) {
    [before, last] = [last, sample + coefficient * last - before];
    energy += sample * sample;
  }
  // Softer than a thousandth of the loudest is silence.
  if (energy < samples.length * 1e-6) return 0;
  const power = last * last + before * before - coefficient * last * before;
  return (2 * power) / (samples.length * energy);
}
