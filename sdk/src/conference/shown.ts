/** Whose video is asked of the SFU, and how large. Pure. */
import type { ParticipantInfo, VideoLayer } from "../../../protocol";

/** Where a picture is shown. */
export interface Size {
  width: number;
  height: number;
}

/** As long as the app says nothing: so many, in the middle size. */
const most = 9;

export function layerOf({ width }: Size): VideoLayer {
  return width >= 640 ? "h" : width >= 320 ? "m" : "l";
}

/** `sizes` undefined: the app has never said what it shows. Whoever the app's server holds is not seen. */
export function shownVideos(
  members: readonly ParticipantInfo[],
  sizes: ReadonlyMap<string, Size | null> | undefined,
): Record<string, VideoLayer> {
  const users = members.filter(({ line, silence }) => !line && !silence.held);
  if (!sizes) {
    const seen = users.filter(({ media }) => media.video !== "off").slice(0, most);
    return Object.fromEntries(seen.map(({ id }) => [id, "m"]));
  }
  return Object.fromEntries(
    users.flatMap(({ id }) => {
      const size = sizes.get(id);
      return size ? [[id, layerOf(size)]] : [];
    }),
  );
}
