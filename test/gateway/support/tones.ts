/** What is heard at both ends: a tone each, so that nothing else passes for it. */
import { expect } from "vitest";
import { type PhoneCall, soon } from "../../browser/support/phone";

/** What the browser's microphone hears, Hz. */
export const callerTone = 700;

/** Runs in the page before its own scripts: nothing from outside may be used here. */
export function installMicrophone(): void {
  navigator.mediaDevices.getUserMedia = async () => {
    const context = new AudioContext();
    const tone = context.createOscillator();
    // `callerTone`.
    tone.frequency.value = 700;
    const microphone = context.createMediaStreamDestination();
    tone.connect(microphone);
    tone.start();
    return microphone.stream;
  };
}

/** From some moment on, it is this tone that is heard in the browser, and little else; 0 is silence. */
export async function hears(call: PhoneCall, frequency: number): Promise<void> {
  const loudest = await call.handle.evaluateHandle(async (call) => {
    const stream = call.incomingStream;
    while (!stream?.getAudioTracks().length) await new Promise((resolve) => setTimeout(resolve, 20));
    // Chromium plays what comes from afar into nothing unless an element has it.
    const element = document.body.appendChild(document.createElement("audio"));
    element.muted = true;
    element.srcObject = stream;
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 4_096, smoothingTimeConstant: 0 });
    context.createMediaStreamSource(stream).connect(analyser);
    const levels = new Float32Array(analyser.frequencyBinCount);
    return () => {
      analyser.getFloatFrequencyData(levels);
      const loudest = levels.reduce((best, level, at) => (level > (levels[best] ?? level) ? at : best), 0);
      // Decibels.
      const heard = (levels[loudest] ?? Number.NEGATIVE_INFINITY) > -70;
      return heard ? (loudest * context.sampleRate) / analyser.fftSize : 0;
    };
  });
  // As wide as a line of the spectrum.
  const near = (found: number) => Math.abs(found - frequency) < 15;
  await expect.poll(async () => near(await loudest.evaluate((ask) => ask())), soon).toBe(true);
}

/** A telephone's ear. */
interface Listener {
  listen(frequency: number): Promise<number>;
}

/** From some moment on, the caller is heard there. */
export async function hearsCaller(phone: Listener): Promise<void> {
  await expect.poll(() => phone.listen(callerTone), soon).toBeGreaterThan(0.9);
}

/** From some moment on, nothing of the caller is heard there. */
export async function hearsNothing(phone: Listener): Promise<void> {
  await expect.poll(() => phone.listen(callerTone), soon).toBeLessThan(0.01);
}
