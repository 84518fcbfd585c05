/** What the server has recorded, as if somebody spoke: the test number's announcement. */
import type { Runtime } from "./runtime";

/**
 * Plays it into a track, once; what is returned ends that. Nothing where there is no AudioContext, as in
 * Node: then nobody hears it.
 */
export function playPrompt(
  { fetch }: Runtime,
  url: string,
  track: (track: MediaStreamTrack) => void,
  failed: (error: unknown) => void,
): () => void {
  if (!globalThis.AudioContext) return () => {};
  const context = new AudioContext();
  const voice = context.createBufferSource();
  const sink = context.createMediaStreamDestination();
  voice.connect(sink);
  for (const one of sink.stream.getTracks()) track(one);
  fetch(url, {})
    .then(async (response) => {
      voice.buffer = await context.decodeAudioData(await response.arrayBuffer());
      voice.start();
    })
    .catch(failed);
  return () => void context.close();
}
