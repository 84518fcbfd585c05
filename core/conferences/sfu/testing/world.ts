/** Participants and an SFU for tests of the planner: each says what it would, in order, and late. */
import type { RoomEvent, VideoLayer } from "../../../../protocol";
import type { SfuOperation } from "../hear";
import { concludeChange, dropSfu, hearSfu, loseChange, nextChange, nextRetry } from "../planner";
import { newSfuSeat, type PublishedTrack, type SfuChange, type SfuOutcome, type SfuSeats } from "../seat";

const simulcast = (mid: string) => `m=video 9 X 96\r\na=mid:${mid}\r\na=simulcast:send f;h;q\r\n`;

/** A participant as `protocol/conference.ts` has it. */
export class Client {
  readonly up: SfuOperation[] = [];
  readonly inbox: RoomEvent[] = [];
  readonly receives = new Map<string, string>();
  show: Record<string, VideoLayer> = {};
  tracks: PublishedTrack[] = [];
  failures = 0;
  #mids = 0;
  #sessions = 0;
  #heard = 0;
  #fresh = true;
  #offered = false;
  #changed = false;

  setTracks(kinds: { video: boolean; phone?: string }): void {
    const wanted = [
      { kind: "audio" as const },
      ...(kinds.video ? [{ kind: "video" as const }] : []),
      ...(kinds.phone ? [{ kind: "audio" as const, id: kinds.phone }] : []),
    ];
    this.tracks = wanted.map((track: Omit<PublishedTrack, "mid">) => {
      const kept = this.tracks.find(({ kind, id }) => kind === track.kind && id === track.id);
      this.#mids += kept ? 0 : 1;
      return kept ?? { ...track, mid: `c${this.#mids}` };
    });
    this.#changed = true;
    this.#publish();
  }

  setShow(show: Record<string, VideoLayer>): void {
    this.show = show;
    this.up.push({ type: "show", videos: show });
  }

  /** A new peer connection, for a reason of its own. */
  restart(): void {
    this.receives.clear();
    this.#heard = 0;
    this.#fresh = true;
    this.#offered = false;
    this.#changed = true;
    this.#publish();
  }

  hear(event: RoomEvent): void {
    if ("session" in event && event.session !== this.#sessions) return;
    if (event.type === "sfuAnswer") {
      if (!this.#offered) throw new Error("an answer to nothing");
      this.#offered = false;
    } else if (event.type === "sfuClosed") for (const mid of event.mids) this.receives.delete(mid);
    else if (event.type === "sfuFailed") {
      this.failures += 1;
      this.restart();
    } else if (event.type === "sfuOffer") this.#answer(event);
    this.#publish();
  }

  #answer({ offer, tracks }: Extract<RoomEvent, { type: "sfuOffer" }>): void {
    if (offer !== this.#heard + 1) throw new Error("an offer is missing");
    this.#heard = offer;
    for (const { mid, id } of tracks) this.receives.set(mid, id);
    this.up.push({ type: "sfuAnswer", offer, description: { type: "answer", sdp: "" } });
    this.#changed ||= this.#offered;
    this.#offered = false;
  }

  #publish(): void {
    if (!this.#changed || this.#offered) return;
    const sdp = this.tracks.flatMap(({ mid, kind }) => (kind === "video" ? [simulcast(mid)] : [])).join("");
    const description = { type: "offer", sdp } as const;
    const fresh = this.#fresh && { fresh: true as const };
    this.up.push({ type: "publish", description, tracks: this.tracks, heard: this.#heard, ...fresh });
    this.#sessions += this.#fresh ? 1 : 0;
    this.#fresh = false;
    this.#changed = false;
    this.#offered = true;
  }
}

interface Session {
  sends: Map<string, { name: string; mid: string }>;
  receives: Map<string, { session: string; name: string; rid?: string }>;
  offered: boolean;
  busy: boolean;
}

/** `track`: the first one alone fails. `lost`: the room has forgotten that it asked. */
export type Trouble = "gone" | "later" | "refused" | "track" | "lost";

/** Strict: what Cloudflare's would refuse is an error of the test. */
export class World {
  readonly seats: SfuSeats = {};
  readonly clients = new Map<string, Client>();
  readonly sessions = new Map<string, Session>();
  readonly under: { id: string; change: SfuChange }[] = [];
  now = 0;
  joined = 0;
  #named = 0;

  join(id: string): void {
    this.joined += 1;
    const client = new Client();
    this.clients.set(id, client);
    this.seats[id] = newSfuSeat();
    client.setTracks({ video: false });
  }

  leave(id: string): void {
    this.clients.delete(id);
    dropSfu(this.seats, id);
  }

  /** The next thing that this client has said reaches the room. */
  up(id: string): boolean {
    const op = this.clients.get(id)?.up.shift();
    if (!op) return false;
    this.#tell(id, hearSfu(this.seats, id, structuredClone(op)));
    return true;
  }

  /** The next thing that the room has said reaches this client. */
  down(id: string): boolean {
    const client = this.clients.get(id);
    const event = client?.inbox.shift();
    if (!client || !event) return false;
    client.hear(event);
    return true;
  }

  plan(): void {
    // As it is after a restart.
    Object.assign(this.seats, structuredClone(this.seats));
    for (const id of this.clients.keys()) {
      const change = nextChange(this.seats, id, this.now);
      if (!change) continue;
      if (this.under.some((other) => other.id === id)) throw new Error("two at once");
      this.under.push({ id, change: structuredClone(change) });
      const session = this.#sessionOf(change);
      if (session?.busy) throw new Error("two changes of one session at once");
      if (session) session.busy = true;
    }
  }

  /** A change comes to its end, as it should or with `trouble`. */
  conclude(at: number, trouble?: Trouble): void {
    const [found] = this.under.splice(at, 1);
    if (!found) return;
    const { id, change } = found;
    const session = this.#sessionOf(change);
    if (session) session.busy = false;
    if (trouble === "lost") this.#tell(id, loseChange(this.seats, id));
    else this.#tell(id, concludeChange(this.seats, id, change, this.#outcome(change, trouble), this.now));
  }

  #outcome(change: SfuChange, trouble?: Exclude<Trouble, "lost">): SfuOutcome {
    if (trouble === undefined || trouble === "track") return this.#perform(change, trouble === "track");
    return { kind: trouble, detail: "for a test" };
  }

  /** Everything comes to its end without more trouble. */
  settle(): void {
    for (let steps = 0; steps < 5_000; steps++) {
      this.plan();
      const moved = [...this.clients.keys()].filter((id) => this.up(id) || this.down(id));
      const concluded = this.under.length > 0;
      this.conclude(0);
      if (moved.length > 0 || concluded) continue;
      const again = nextRetry(this.seats, this.now);
      if (again === undefined) return;
      this.now = again;
    }
    throw new Error("it does not come to rest");
  }

  #sessionOf(change: SfuChange): Session | undefined {
    return this.sessions.get(("session" in change && change.session) || "");
  }

  #tell(id: string, events: RoomEvent[]): void {
    this.clients.get(id)?.inbox.push(...structuredClone(events));
  }

  #perform(change: SfuChange, failing: boolean): SfuOutcome {
    const id = ("session" in change && change.session) || `session-${this.sessions.size + 1}`;
    const session = this.sessions.get(id) ?? {
      sends: new Map(),
      receives: new Map(),
      offered: false,
      busy: false,
    };
    this.sessions.set(id, session);
    if (session.offered !== (change.type === "answer")) throw new Error(`${change.type} in the wrong state`);
    const done = (tracks: { mid?: string; error?: string }[] = [], type?: "offer" | "answer") => ({
      kind: "done" as const,
      session: id,
      tracks: tracks.map((track, at) => (failing && at === 0 ? { error: "for_a_test" } : track)),
      ...(type && { description: { type, sdp: "" } }),
    });
    const isFine = (at: number) => !failing || at > 0;
    switch (change.type) {
      case "open":
        return done();
      case "answer":
        session.offered = false;
        return done();
      case "publish":
        for (const mid of change.remove) session.sends.delete(mid);
        for (const [at, { mid, name }] of change.add.entries())
          if (isFine(at)) session.sends.set(mid, { mid, name });
        return done(
          change.add.map(({ mid }) => ({ mid })),
          "answer",
        );
      case "pull": {
        if (change.tracks.length > 64) throw new Error("too many tracks");
        const results = change.tracks.map(({ session: from, name, rid }, at) => {
          const sent = [...(this.sessions.get(from)?.sends.values() ?? [])].some((one) => one.name === name);
          if (!sent || !isFine(at)) return { error: "not_found_track_error" };
          this.#named += 1;
          const mid = `s${this.#named}`;
          session.receives.set(mid, { session: from, name, ...(rid && { rid }) });
          return { mid };
        });
        session.offered = results.some((result) => "mid" in result);
        return { ...done([], session.offered ? "offer" : undefined), tracks: results };
      }
      case "layers":
        for (const [at, { mid, rid }] of change.tracks.entries()) {
          const received = session.receives.get(mid);
          if (!received) throw new Error("a layer of nothing");
          if (isFine(at)) Object.assign(received, { rid });
        }
        return done(change.tracks.map(({ mid }) => ({ mid })));
      case "close":
        for (const [at, mid] of change.mids.entries()) if (isFine(at)) session.receives.delete(mid);
        return done(change.mids.map((mid) => ({ mid })));
    }
  }
}
