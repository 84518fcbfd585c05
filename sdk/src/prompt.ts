/** What the server has recorded, as if somebody spoke: the test number's announcement. */
import type { Runtime } from "./runtime";

/**
 * Plays it into what is returned, once, until `stop`. Nothing where there is no AudioContext, as in Node:
 * then nobody hears it.
 */
export function playPrompt(
  { fetch }: Runtime,
  url: string,
  failed: (error: unknown) => void,
): { tracks: MediaStreamTrack[]; stop(): void } | undefined {
  if (!globalThis.AudioContext) return undefined;
  const context = new AudioContext();
  const voice = context.createBufferSource();
  const sink = context.createMediaStreamDestination();
  voice.connect(sink);
  fetch(url, {})
    .then(async (response) => {
      voice.buffer = await context.decodeAudioData(await response.arrayBuffer());
      voice.start();
    })
    .catch(failed);
  return { tracks: sink.stream.getTracks(), stop: () => void context.close() };
}
