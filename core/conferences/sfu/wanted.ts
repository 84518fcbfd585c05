/** What a participant is to receive, and what is different from what it receives. */
import type { VideoLayer } from "../../../protocol";
import type { ReceivedTrack, SentTrack, SfuSeats, Wanted } from "./seat";

const size: Record<VideoLayer, number> = { h: 0, m: 1, l: 2 };

/** Everybody's audio, and the video that it shows. */
export function wantedBy(seats: SfuSeats, id: string): Wanted[] {
  const show = new Map(Object.entries(seats[id]?.show ?? {}));
  return Object.entries(seats).flatMap(([sender, { session, sends }]) => {
    if (sender === id || session === undefined) return [];
    const layer = show.get(sender);
    return sends.flatMap(({ name, kind, rids, id: phone, disowned }) => {
      if (disowned || (kind === "video" && layer === undefined)) return [];
      const rid = layer && rids?.[Math.min(size[layer], rids.length - 1)];
      return { session, name, id: phone ?? sender, kind, ...(rid && { rid }) };
    });
  });
}

export interface Difference {
  pull: Wanted[];
  layers: (Wanted & { mid: string })[];
  /** By `mid`. */
  close: string[];
}

export function difference(wanted: Wanted[], receives: ReceivedTrack[]): Difference {
  const open = new Map(receives.map((track) => [keyOf(track), track]));
  const found: Difference = { pull: [], layers: [], close: [] };
  for (const track of wanted) {
    const received = open.get(keyOf(track));
    open.delete(keyOf(track));
    if (!received) found.pull.push(track);
    else if (received.rid !== track.rid) found.layers.push({ ...track, mid: received.mid });
  }
  found.close = [...open.values()].map(({ mid }) => mid);
  return found;
}

const keyOf = ({ session, name, id }: Wanted) => `${session} ${name} ${id}`;

/**
 * The layers that an offer announces for a track, the largest first: by name, as the SFU has it, too.
 * Undefined for one without simulcast: no layer of that can be asked for.
 */
export function ridsOf(sdp: string, mid: string): SentTrack["rids"] {
  const section = sdp.split(/^m=/m).find((part) => part.split(/\r?\n/).includes(`a=mid:${mid}`));
  const [, list] = /^a=simulcast:.*?\bsend (\S+)/m.exec(section ?? "") ?? [];
  // Alternatives of a layer follow a comma; `~` says that it is paused at first.
  const rids = list?.split(";").map((layer) => (layer.split(",")[0] ?? "").replace(/^~/, ""));
  return rids && rids.length > 1 ? rids.sort() : undefined;
}
