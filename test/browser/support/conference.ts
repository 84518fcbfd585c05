/** Participants of a conference at browsers, each with a tone of its own as its voice. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { expect, inject } from "vitest";
import type { CallOptions } from "../../../sdk/src";
import type { ServerFacts } from "../../support/browser-setup";
import { until } from "../../support/programs";
import { type Ears, type EarsOptions, installEars, type Listened } from "./ears";
import { newContext, Phone, type PhoneCall, type PhoneOptions, someone, soon } from "./phone";

/** Hz. Far enough from each other, and none is another one's harmonic. */
export const tones = [400, 550, 700, 850, 1_000, 1_150, 1_300, 1_450];

export class Guest {
  private constructor(
    readonly phone: Phone,
    readonly tone: number,
    readonly call: PhoneCall,
    readonly id: string,
  ) {}

  /** The user whose number is `at` joins. */
  static async join(
    conference: string,
    at: number,
    options: PhoneOptions = {},
    callOptions: CallOptions = {},
  ): Promise<Guest> {
    const own = tones[at];
    if (own === undefined) throw new Error("no more tones");
    const context = await newContext();
    await context.addInitScript(installEars, { own, tones } satisfies EarsOptions);
    // Packets of 20 ms: half as many of them for two cores.
    const client = { audioPacketMs: 20, ...options.client } as const;
    const phone = await Phone.open(`guest${at}`, { ...options, client, context });
    return Guest.#in(phone, own, await phone.callConference(conference, callOptions));
  }

  static async #in(phone: Phone, tone: number, call: PhoneCall): Promise<Guest> {
    await call.until("established");
    return new Guest(phone, tone, call, await call.do(({ callId }) => callId));
  }

  /** The page is loaded again, and the same user joins again. */
  async reload(conference: string, server: ServerFacts = inject("server")): Promise<Guest> {
    await this.phone.page.reload();
    const { user } = this.phone;
    // The instance of before is there: nothing has to be registered.
    await this.phone.start({
      applicationKey: server.applicationKey,
      userId: user,
      environmentHost: server.url,
      audioPacketMs: 20,
    });
    return Guest.#in(this.phone, this.tone, await this.phone.callConference(conference));
  }

  ears<R>(ask: (ears: Ears) => R): Promise<Awaited<R>> {
    return this.phone.page
      .evaluateHandle(() => window.ears)
      .then((handle) => handle.evaluate(ask as (ears: Ears) => Promise<R>) as Promise<Awaited<R>>);
  }

  /** What was heard of somebody since {@link listenAll}. */
  heard(other: Guest): Promise<Listened> {
    return this.phone.page.evaluate((tone) => window.ears.of(tone), other.tone);
  }

  /** The others, by the ids of their calls. */
  others(): Promise<string[]> {
    return this.call.do(({ participants }) => participants.map(({ id }) => id).sort());
  }

  /** What is in the stream of each participant. */
  voices(): Promise<Record<string, number[]>> {
    return this.call.do(({ participants }) =>
      Object.fromEntries(participants.map(({ id, stream }) => [id, window.ears.in(stream)])),
    );
  }

  /** The peer connections that are not closed. */
  connections(): Promise<number> {
    return this.phone.page.evaluate(
      () => window.harness.peers.filter(({ connectionState }) => connectionState !== "closed").length,
    );
  }

  /** How loud what is sent is, the loudest of all connections: 0 is silence. */
  sends(): Promise<number> {
    return this.phone.page.evaluate(async () => {
      let loudest = 0;
      for (const peer of window.harness.peers) {
        if (peer.connectionState === "closed") continue;
        for (const sender of peer.getSenders()) {
          if (sender.track?.kind !== "audio") continue;
          (await sender.getStats()).forEach((entry) => {
            if (entry.type === "media-source") loudest = Math.max(loudest, entry.audioLevel ?? 0);
          });
        }
      }
      return loudest;
    });
  }

  /** A page that was tampered with: it sends its tone, whatever the SDK does. */
  sendsAnyway(): Promise<void> {
    return this.phone.page.evaluate(async () => {
      const [track = null] = (await navigator.mediaDevices.getUserMedia({ audio: true })).getAudioTracks();
      for (const peer of window.harness.peers) {
        if (peer.connectionState === "closed") continue;
        const [audio] = peer.getTransceivers().filter(({ receiver }) => receiver.track.kind === "audio");
        await audio?.sender.replaceTrack(track);
      }
    });
  }
}

const ofOthers = (guests: Guest[], one: Guest) => guests.filter((other) => other !== one);

/** So many users in a conference, all of whom hear each other. They come one after the other. */
export async function conferenceOf(
  count: number,
  options: PhoneOptions = {},
): Promise<{ name: string; guests: Guest[] }> {
  const name = someone("room");
  const guests: Guest[] = [];
  for (let at = 0; at < count; at++) guests.push(await Guest.join(name, at, options));
  await eachHearsEach(guests);
  return { name, guests };
}

/** Everybody's roster has exactly the others. */
export async function eachKnowsEach(guests: Guest[]): Promise<void> {
  for (const guest of guests) {
    const ids = ofOthers(guests, guest)
      .map(({ id }) => id)
      .sort();
    await expect.poll(() => guest.others(), soon).toEqual(ids);
  }
}

/**
 * From some moment on: each hears all others, each through one source, and nobody else; and what is in a
 * participant's stream is that participant.
 */
export async function eachHearsEach(guests: Guest[], limit = 30_000): Promise<void> {
  await eachKnowsEach(guests);
  for (const guest of guests) {
    const others = ofOthers(guests, guest);
    const all = others.map(({ tone }) => tone).sort((one, other) => one - other);
    const voices = Object.fromEntries(others.map(({ id, tone }) => [id, [tone]]));
    const hears = async () => ({
      played: (await guest.ears((ears) => ears.played())).sort((one, other) => one - other),
      voices: await guest.voices(),
    });
    let last: unknown;
    await until(
      `${guest.phone.user} hears all`,
      async () => {
        last = await hears();
        return JSON.stringify(last) === JSON.stringify({ played: all, voices: sorted(last, voices) });
      },
      limit,
    ).catch(() => expect(last, guest.phone.user).toEqual({ played: all, voices }));
  }
}

/** In the order of what was found, so that texts can be compared. */
function sorted(found: unknown, voices: Record<string, number[]>): Record<string, number[] | undefined> {
  const order = Object.keys((found as { voices: object }).voices);
  return order.length === Object.keys(voices).length
    ? Object.fromEntries(order.map((id) => [id, voices[id]]))
    : voices;
}

/** From some moment on, this one is heard by nobody, not even by somebody who would play what comes in. */
export async function isSilent(one: Guest, guests: Guest[]): Promise<void> {
  for (const other of ofOthers(guests, one)) {
    await expect.poll(() => other.ears((ears) => ears.received()), soon).not.toContain(one.tone);
    expect(await other.ears((ears) => ears.played())).not.toContain(one.tone);
  }
}

/** What was heard in a conference. */
export interface Report {
  /** The longest time, milliseconds, in which one did not hear another one. */
  silence: number;
  /** The longest time, milliseconds, in which a page was too busy to listen. */
  blind: number;
  /** The longest time, milliseconds, for which this process, like any other, had to wait for the machine. */
  stalled: number;
  /** Whom that longest silence is of, for whom, and what came in meanwhile. */
  worst: string;
}

/** All listen from now on, until `stop()`. */
export async function listenAll(guests: Guest[], everyMs = 50): Promise<{ stop(): Promise<Report> }> {
  for (const { phone } of guests) await phone.page.evaluate((ms) => window.ears.listen(ms), everyMs);
  const stalls = monitorEventLoopDelay({ resolution: 10 });
  stalls.enable();
  const pairs = guests.flatMap((guest) => ofOthers(guests, guest).map((other) => [guest, other] as const));
  return {
    async stop() {
      stalls.disable();
      const found = await Promise.all(
        pairs.map(async ([guest, other]) => ({ guest, other, ...(await guest.heard(other)) })),
      );
      const blind = await Promise.all(guests.map((guest) => guest.ears((ears) => ears.blind())));
      const worst = found.reduce((one, other) => (other.silence > one.silence ? other : one));
      return {
        silence: worst.silence,
        blind: Math.max(...blind),
        stalled: Math.round(stalls.max / 1e6),
        worst:
          `${worst.other.phone.user} for ${worst.guest.phone.user}: of ${worst.silent} looks in silence ` +
          `${worst.unplayed} at what came in and was not played`,
      };
    },
  };
}

/** Nobody was silent for a second, beyond what the machine took from everybody. Says what was found. */
export function expectNoGap(what: string, { silence, blind, stalled, worst }: Report): void {
  const whose = silence > 0 ? ` (${worst})` : "";
  console.log(
    `${what}: longest silence ${silence} ms${whose}; ` +
      `longest time without a look ${blind} ms, for which the machine stood still ${stalled} ms`,
  );
  expect(silence).toBeLessThan(1_000 + stalled);
  expect(blind).toBeLessThan(1_000 + stalled);
}

/** A request to the REST API, as the app's server makes it. Answers the milliseconds since 1970 before it was sent. */
export async function rest(
  method: "PATCH" | "DELETE",
  conference: string,
  guest: Pick<Guest, "id">,
  body?: object,
  server: ServerFacts = inject("server"),
): Promise<number> {
  const { url, applicationKey, applicationSecret } = server;
  const path = `/calling/v1/conferences/id/${encodeURIComponent(conference)}/${guest.id}`;
  const headers: Record<string, string> = {
    authorization: `Basic ${btoa(`${applicationKey}:${applicationSecret}`)}`,
    ...(body && { "content-type": "application/json" }),
  };
  const began = Date.now();
  const answer = await fetch(url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  await answer.body?.cancel();
  return began;
}
