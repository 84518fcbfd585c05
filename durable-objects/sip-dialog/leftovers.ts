import { cancelStored, type Invite } from "../../core/telephony/sip/invite";
import type { Leftover } from "./leg-data";
import { Link, type LinkMeans } from "./link";

/** As long as an INVITE may still be answered for the first time: 64 times T1 (RFC 3261, 17.1.1.2). */
const listenMs = 32_000;

interface Means extends Pick<LinkMeans, "masterKey" | "leg" | "clock" | "log"> {
  store(): void;
  /** The time at which something is due may have changed. */
  wake(): void;
  /** One of them is done. */
  done(): void;
}

/**
 * INVITEs of which nothing was heard, while another trunk has its turn, or none. Such a one may still
 * make a phone ring that nobody waits for: it is cancelled as soon as it is heard of, on its own
 * connection, or else on another one.
 */
export class Leftovers {
  readonly #means: Means;
  readonly #links = new Map<Leftover, Link>();

  constructor(means: Means) {
    this.#means = means;
  }

  /** The leg's INVITE, with the connection that it has left on; `live`: which is still there. */
  add(link: Link, live: Invite | null): void {
    const { leg: theLeg, clock } = this.#means;
    const leg = theLeg();
    if (!leg?.invite) return;
    const left: Leftover = { trunk: leg.trunk, invite: leg.invite, until: clock() + listenMs };
    delete leg.invite;
    leg.leftovers = [...(leg.leftovers ?? []), left];
    this.#take(left, link);
    live?.giveUp(() => this.#done(left));
  }

  /** Connects where that has to be: also after a crash. */
  open(): void {
    for (const left of this.#means.leg()?.leftovers ?? []) {
      const link = this.#links.get(left) ?? this.#take(left);
      void link.open();
    }
  }

  due(): number[] {
    return [...this.#links].flatMap(([{ until }, link]) => [until, ...link.due()]);
  }

  tick(): void {
    const now = this.#means.clock();
    for (const left of [...(this.#means.leg()?.leftovers ?? [])]) if (now >= left.until) this.#done(left);
  }

  #take(left: Leftover, link?: Link): Link {
    const { store, wake, ...means } = this.#means;
    const mine: LinkMeans = {
      ...means,
      wanted: () => {
        const leg = this.#means.leg();
        return leg?.leftovers?.includes(left) ? leg.dial.trunks[left.trunk] : undefined;
      },
      opened: (agent) => {
        void cancelStored(agent, left.invite).then(() => this.#done(left));
        wake();
      },
      lost: () => {
        void this.#links.get(left)?.open();
        wake();
      },
      beforeSend: store,
    };
    const taken = link ?? new Link(mine);
    taken.handTo(mine);
    this.#links.set(left, taken);
    return taken;
  }

  #done(left: Leftover): void {
    const leg = this.#means.leg();
    if (!leg?.leftovers?.includes(left)) return;
    leg.leftovers = leg.leftovers.filter((each) => each !== left);
    // What has just been sent leaves before the socket closes.
    this.#links.get(left)?.close();
    this.#links.delete(left);
    this.#means.store();
    this.#means.done();
  }
}
