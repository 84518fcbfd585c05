// @ts-check
/** What a telephone sounds like. A page may make a sound once somebody has touched it. */

const audio = new AudioContext();
const touched = () => audio.resume().catch(() => {});
for (const name of ["pointerdown", "keydown"]) addEventListener(name, touched);

export const mayRing = () => audio.state === "running";

/** Rows and columns of the keypad, in hertz (ITU-T Q.23). */
const [rows, columns] = [
  [697, 770, 852, 941],
  [1209, 1336, 1477, 1633],
];
const keys = "123A456B789C*0#D";

/** @param {string} key */
export function playKey(key) {
  const at = keys.indexOf(key.toUpperCase());
  if (at >= 0) play([rows[at >> 2] ?? 0, columns[at & 3] ?? 0], 0.15);
}

/** One ring, as the telephones of old had it. */
export function playRing() {
  for (const start of [0, 0.5]) play([440, 480], 0.35, start);
}

/** @param {number[]} frequencies @param {number} seconds */
function play(frequencies, seconds, start = 0) {
  if (!mayRing()) return;
  const at = audio.currentTime + start;
  const gain = new GainNode(audio, { gain: 0 });
  gain.gain.setTargetAtTime(0.08, at, 0.01);
  gain.gain.setTargetAtTime(0, at + seconds, 0.02);
  gain.connect(audio.destination);
  for (const frequency of frequencies) {
    const tone = new OscillatorNode(audio, { frequency });
    tone.connect(gain);
    tone.start(at);
    tone.stop(at + seconds + 0.2);
  }
}
