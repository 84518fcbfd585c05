import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { VideoLayer } from "../../../protocol";
import { concludeChange, hearSfu, nextChange, nextRetry } from "./planner";
import { newSfuSeat, type SfuSeats } from "./seat";
import { type Trouble, World } from "./testing/world";
import { ridsOf } from "./wanted";

const rids = { h: "f", m: "h", l: "q" };

/** What each receives at the SFU, as `whose kind layer`, and what it was told of it. */
function received(world: World, id: string): { media: string[]; told: string[] } {
  const session = world.sessions.get(world.seats[id]?.session ?? "");
  const media = [...(session?.receives.values() ?? [])].map(({ session: from, name, rid }) => {
    const [owner, seat] = Object.entries(world.seats).find(([, one]) => one.session === from) ?? [];
    const sent = seat?.sends.find((one) => one.name === name);
    return `${sent?.id ?? owner} ${sent?.kind}${rid ? ` ${rid}` : ""}`;
  });
  return { media: media.sort(), told: [...(world.clients.get(id)?.receives.values() ?? [])].sort() };
}

function shouldReceive(world: World, id: string): { media: string[]; told: string[] } {
  const show = world.clients.get(id)?.show ?? {};
  const tracks = [...world.clients].flatMap(([other, { tracks: sent }]) =>
    other === id ? [] : sent.map((track) => ({ ...track, id: track.id ?? other, layer: show[other] })),
  );
  const wanted = tracks.filter(({ kind, layer }) => kind === "audio" || layer !== undefined);
  const media = wanted.map(({ id: whose, kind, layer }) =>
    kind === "video" && layer ? `${whose} video ${rids[layer]}` : `${whose} ${kind}`,
  );
  return { media: media.sort(), told: wanted.map(({ id: whose }) => whose).sort() };
}

const names = ["a", "b", "c", "d", "e"];
const name = fc.constantFrom(...names);
const layer = fc.constantFrom<VideoLayer>("h", "m", "l");
const action = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("up", "down", "plan"), who: name }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("conclude"), at: fc.nat(4) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("conclude"),
      at: fc.nat(4),
      trouble: fc.constantFrom<Trouble>("gone", "later", "refused", "track", "lost"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("join", "leave", "restart"), who: name }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("tracks"),
      who: name,
      video: fc.boolean(),
      phone: fc.option(fc.constantFrom("p1", "p2"), { nil: undefined }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("show"), who: name, show: fc.dictionary(name, layer) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("wait"), ms: fc.nat(3_000) }) },
);

type Action = (typeof action extends fc.Arbitrary<infer T> ? T : never) & {
  who?: string;
  at?: number;
  trouble?: Trouble;
  ms?: number;
  video?: boolean;
  phone?: string;
  show?: Record<string, VideoLayer>;
};

/** Nobody comes back as the same: ids are those of calls. */
function act(world: World, ids: Map<string, string>, { who = "", at = 0, show = {}, ...one }: Action): void {
  const id = ids.get(who) ?? "";
  const client = world.clients.get(id);
  if (one.do === "up") world.up(id);
  else if (one.do === "down") world.down(id);
  else if (one.do === "plan") world.plan();
  else if (one.do === "conclude") world.conclude(at, one.trouble);
  else if (one.do === "join" && !client) {
    ids.set(who, `${who}-${world.joined}`);
    world.join(ids.get(who) ?? "");
  } else if (one.do === "leave" && client) {
    world.leave(id);
    ids.delete(who);
  } else if (one.do === "restart") client?.restart();
  else if (one.do === "tracks") client?.setTracks({ video: one.video === true, phone: one.phone });
  else if (one.do === "show")
    client?.setShow(
      Object.fromEntries(Object.entries(show).map(([name, size]) => [ids.get(name) ?? name, size])),
    );
  else if (one.do === "wait") world.now += one.ms ?? 0;
}

describe("the SFU's planner", () => {
  test("whatever happens, in the end each receives all voices and the videos that it shows, and knows whose they are", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 150, size: "max" }), (actions) => {
        const world = new World();
        const ids = new Map<string, string>();
        for (const who of ["a", "b", "c"]) act(world, ids, { do: "join", who });
        for (const one of actions) act(world, ids, one);
        world.settle();
        for (const id of world.clients.keys()) expect(received(world, id)).toEqual(shouldReceive(world, id));
      }),
      { numRuns: 500 },
    );
  });

  test("a session that was made beforehand is the one of who publishes first", () => {
    const seats: SfuSeats = { a: newSfuSeat("s1") };
    const description = { type: "offer", sdp: "" } as const;
    hearSfu(seats, "a", { type: "publish", description, tracks: [], heard: 0, fresh: true });
    expect(nextChange(seats, "a", 0)).toMatchObject({ type: "publish", session: "s1" });
    hearSfu(seats, "a", { type: "publish", description, tracks: [], heard: 0, fresh: true });
    expect(nextChange(seats, "a", 0)).toBeUndefined();
  });

  test("no more than 64 tracks at once; one that fails is asked for again, later and later, and then left", () => {
    const seats = crowd(70);
    const asked: number[] = [];
    for (let at = 0; ; ) {
      const change = nextChange(seats, "a", at);
      if (change?.type === "pull") {
        asked.push(change.tracks.length);
        const tracks = change.tracks.map(() => ({ error: "empty_track_error" }));
        concludeChange(seats, "a", change, { kind: "done", session: "sa", tracks }, at);
        continue;
      }
      const again = nextRetry(seats, at);
      if (again === undefined) break;
      expect(again).toBeGreaterThanOrEqual(at + 500);
      at = again;
    }
    expect(asked).toEqual(Array.from({ length: 7 }, () => [64, 6]).flat());
  });

  test("a request that fails for a while is repeated, later and later, and then the session is given up", () => {
    const seats = crowd(2);
    const asked: number[] = [];
    for (let at: number | undefined = 0; at !== undefined; at = nextRetry(seats, at)) {
      const change = nextChange(seats, "a", at);
      if (!change) break;
      asked.push(at);
      const events = concludeChange(seats, "a", change, { kind: "later", detail: "503" }, at);
      if (asked.length === 7) expect(events).toMatchObject([{ type: "sfuFailed" }]);
      else expect(events).toEqual([]);
    }
    expect(asked).toEqual([0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
  });

  test("a sender that publishes again is tried again", () => {
    const seats = crowd(2);
    const failing = { kind: "done", session: "sa", tracks: [{ error: "not_found_track_error" }] } as const;
    const first = nextChange(seats, "a", 0);
    if (first) concludeChange(seats, "a", first, { ...failing, tracks: [...failing.tracks] }, 0);
    expect(nextChange(seats, "a", 0)).toBeUndefined();
    const description = { type: "offer", sdp: "" } as const;
    const tracks = [{ mid: "0", kind: "audio" as const }];
    hearSfu(seats, "p1", { type: "publish", description, tracks, heard: 0 });
    const again = nextChange(seats, "p1", 0);
    expect(again).toMatchObject({ type: "publish", add: [], remove: [], keep: [{ name: "audio-1" }] });
    const answer = { type: "answer", sdp: "" } as const;
    const outcome = { kind: "done", session: "s1", description: answer, tracks: [] } as const;
    if (again) concludeChange(seats, "p1", again, { ...outcome, tracks: [] }, 0);
    expect(nextChange(seats, "a", 0)).toMatchObject({ type: "pull" });
  });

  test("of two offers at once the room's stands: what was published meanwhile is not asked for", () => {
    const seats = crowd(1);
    const pull = nextChange(seats, "a", 0);
    expect(pull).toMatchObject({ type: "pull" });
    const description = { type: "offer", sdp: "" } as const;
    hearSfu(seats, "a", { type: "publish", description, tracks: [], heard: 0 });
    const outcome = { kind: "done" as const, session: "sa", description, tracks: [{ mid: "7" }] };
    const tracks = [{ mid: "7", id: "p1", kind: "audio" }];
    expect(pull && concludeChange(seats, "a", pull, outcome, 0)).toMatchObject([{ offer: 1, tracks }]);
    const answer = { type: "answer", sdp: "" } as const;
    hearSfu(seats, "a", { type: "sfuAnswer", offer: 1, description: answer });
    const change = nextChange(seats, "a", 0);
    expect(change).toMatchObject({ type: "answer" });
    if (change) concludeChange(seats, "a", change, { kind: "done", session: "sa", tracks: [] }, 0);
    expect(nextChange(seats, "a", 0)).toBeUndefined();
  });

  test("an offer says which layers a track has", () => {
    const sdp = [
      "v=0\r\nm=audio 9 X 111\r\na=mid:0\r\n",
      "m=video 9 X 96\r\na=mid:1\r\na=rid:f send\r\na=simulcast:send q;~h,x;f\r\n",
      "m=video 9 X 96\r\na=mid:10\r\na=simulcast:recv a;b\r\n",
    ].join("");
    expect([ridsOf(sdp, "0"), ridsOf(sdp, "1"), ridsOf(sdp, "10")]).toEqual([
      undefined,
      ["f", "h", "q"],
      undefined,
    ]);
  });
});

/** `a` is alone with its session, and so many others send their voices. */
function crowd(size: number): SfuSeats {
  const seats: SfuSeats = { a: { ...newSfuSeat(), session: "sa" } };
  const sends = [{ mid: "0", kind: "audio" as const, name: "audio-1" }];
  for (let at = 1; at <= size; at++) seats[`p${at}`] = { ...newSfuSeat(), session: `s${at}`, sends };
  return seats;
}
