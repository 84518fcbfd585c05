import { archiveFor } from "../../core/db/database";
import { Lanes } from "../../core/lanes";
import { log } from "../../core/log";
import { writeMessages, writeReads } from "../../core/messages/archive";
import type { Mailbox, PushMail } from "../../core/messages/mailbox";
import type { Notes, Unnumbered } from "../../core/messages/notes";
import { type MailPosition, type Message, type Note, type ReadMessages, serverLimits } from "../../protocol";
import type { Env } from "../env";
import { userHub } from "../names";
import { type Connections, type MailState, send } from "./connections";
import type { Receipt, Taken, UserAddress } from "./rpc";

interface Surroundings {
  env: Env;
  connections: Connections;
  mailbox: Mailbox;
  notes: Notes;
  now: () => number;
  user: () => UserAddress;
  /** The user has devices that take messages. */
  hasReaders: () => boolean;
  /** Let the alarm ring then, or before. */
  wake: (time: number) => Promise<void>;
}

/** Messages that a connection may have ahead of its acknowledgement. */
const window = 500;
/** Of one frame. */
const portion = { count: 200, size: 200_000 };
/** What no device has acknowledged goes to the archive after so long, and what has been in busy times. */
const archiveMs = 5_000;
/** In calm times it goes there at once. */
const calmMs = 1_000;
const retryMsMax = 300_000;
const dayMs = 86_400_000;
const keepMs = serverLimits.messageDays * dayMs;

/** Messages for this hub's user: to its devices, to the history, and word of it back to their senders. */
export class MailRoom {
  /** Since when a connection owes an acknowledgement. */
  readonly #owing = new WeakMap<WebSocket, number>();
  readonly #receipts = new Lanes<Receipt, true>((sender, notes) => this.#tellSender(sender, notes), {
    count: 200,
    size: 200,
    sizeOf: () => 1,
  });
  #archiving: Promise<void> | null = null;
  #archivedAt = Number.NEGATIVE_INFINITY;
  #archivedCount = 0;
  #archiveFailures = 0;
  #retired = false;

  constructor(private readonly hub: Surroundings) {
    // After a sleep the sockets know what memory has forgotten.
    for (const { connection, mail } of hub.connections.withMail()) {
      hub.mailbox.recall({ ...mail, delivered: mail.ack });
      hub.mailbox.acknowledge(connection.instanceId, mail.ack, hub.now());
    }
  }

  // ---- in -------------------------------------------------------------------------------------

  /** The last seq that was given. */
  get last(): number {
    return this.hub.mailbox.last;
  }

  /** Stores messages and hands them to the devices. */
  async take(messages: readonly Message[]): Promise<Taken> {
    const { mailbox, now } = this.hub;
    const before = mailbox.last;
    const taken = mailbox.take(messages, now());
    if (mailbox.last === before) return taken;
    const reachable = this.#deliver();
    // A device's acknowledgement is what sends it to the archive; without one the alarm does.
    await this.hub.wake(now() + (reachable ? keepMs : archiveMs));
    return taken;
  }

  /** A connection wants messages, from its position on. */
  async open(socket: WebSocket, instanceId: string, start: number, position: MailPosition): Promise<void> {
    const { mailbox, notes, connections } = this.hub;
    const ack = Math.min(position.ack ?? start, mailbox.last);
    connections.change(socket, { mail: { ack, told: ack, out: 0, ...mailbox.progress } });
    this.#acknowledged(instanceId, ack);
    this.#pump(socket);
    if (position.notes !== undefined) notes.acknowledge(position.notes);
    const missed = notes.after(position.notes ?? 0, instanceId);
    if (missed.length > 0) send(socket, { type: "notes", notes: missed });
    if (mailbox.unarchived) await this.#archiveSoon();
  }

  async acknowledge(socket: WebSocket, position: MailPosition): Promise<void> {
    const { connections, mailbox, notes } = this.hub;
    const { mail, instanceId } = connections.of(socket);
    if (!mail) return;
    if (position.notes !== undefined) notes.acknowledge(position.notes);
    const ack = Math.min(position.ack ?? 0, mail.told);
    if (ack <= mail.ack) return;
    const out = Math.min(mail.out, mail.told - ack);
    connections.change(socket, { mail: { ...mail, ack, out } });
    if (out === 0) this.#owing.delete(socket);
    else this.#owing.set(socket, this.hub.now());
    this.#acknowledged(instanceId, ack);
    this.#pump(socket);
    if (mailbox.unarchived) await this.#archiveSoon();
  }

  /** A connection is gone. */
  close(): void {
    this.hub.mailbox.store();
  }

  /** The mailbox is gone: what is still under way here must not be taken for the next one's. */
  retire(): void {
    this.#retired = true;
  }

  // ---- what became of messages ----------------------------------------------------------------

  /** Notes for the devices of this user; with `keep` they wait when none is connected. */
  tell(notes: readonly Unnumbered<Note>[], keep: boolean, except?: WebSocket): void {
    if (notes.length === 0) return;
    const { connections, now, hasReaders } = this.hub;
    const here = connections.withMail().filter(({ socket }) => socket !== except);
    if (here.length === 0 && !(keep && hasReaders())) return;
    const knows = except && connections.of(except).instanceId;
    const numbered = this.hub.notes.add(notes, now(), here.length === 0, knows);
    for (const { socket } of here) send(socket, { type: "notes", notes: numbered });
  }

  /** Errors are thrown: the device asks again. */
  async read(socket: WebSocket, { messages }: ReadMessages): Promise<void> {
    const { env, user, now } = this.hub;
    const { applicationKey, userId } = user();
    // D1 says whether they were for this user, so it has to have them.
    await this.archive();
    const time = now();
    const db = archiveFor(env, applicationKey);
    const changed = await writeReads(db, applicationKey, userId, messages, time);
    const receipts = changed.map(({ from, id }): Receipt => ({ note: "read", from, id, by: userId, time }));
    this.tell(receipts, false, socket);
    for (const receipt of receipts) {
      if (receipt.note === "read" && receipt.from !== null && receipt.from !== userId)
        void this.#receipts.push(receipt.from, receipt);
    }
  }

  typing(from: string): void {
    for (const { socket } of this.hub.connections.withMail()) send(socket, { type: "typing", from });
  }

  // ---- the archive ----------------------------------------------------------------------------

  /** Writes what D1 does not have. One at a time; resolves also when D1 is not there. */
  archive(): Promise<void> {
    this.#archiving ??= this.#archive().finally(() => {
      this.#archiving = null;
    });
    return this.#archiving;
  }

  /** What is due at this time. Answers when the next thing is. */
  async alarm(): Promise<number | null> {
    const { mailbox, now } = this.hub;
    if (mailbox.unarchived) await this.archive();
    mailbox.tidy(now());
    const { tidyAt } = mailbox;
    const tidy = tidyAt === null ? null : Math.max(tidyAt, now() + dayMs);
    return mailbox.unarchived ? now() + this.#retryMs() : tidy;
  }

  async #archive(): Promise<void> {
    const { mailbox, env, now, user, connections } = this.hub;
    const { applicationKey, userId: recipient } = user();
    let count = 0;
    try {
      for (let work = mailbox.archiveWork(now()); work; work = mailbox.archiveWork(now())) {
        const copies = work.letters.map(({ letter, delivered }) => ({ ...letter, recipient, delivered }));
        if (copies.length > 0) await writeMessages(archiveFor(env, applicationKey), applicationKey, copies);
        if (this.#retired) return;
        mailbox.archivedTo(work.done);
        count += copies.length;
      }
      this.#archiveFailures = 0;
    } catch (error) {
      if (this.#retired) return;
      this.#archiveFailures += 1;
      log("error", "archive.failed", { hub: `${applicationKey}/${recipient}`, error: String(error) });
      await this.hub.wake(now() + this.#retryMs());
    }
    this.#archivedAt = now();
    this.#archivedCount = count;
    const { archived, stated } = mailbox.progress;
    for (const { socket, mail } of connections.withMail())
      connections.change(socket, { mail: { ...mail, archived, stated } });
  }

  /** At once when it is calm, which costs no alarm; with what else comes in these seconds otherwise. */
  async #archiveSoon(): Promise<void> {
    if (this.#archiving) return this.hub.wake(this.hub.now() + archiveMs);
    const gap = this.#archivedCount > 2 || this.#archiveFailures > 0 ? archiveMs : calmMs;
    if (this.hub.now() - this.#archivedAt >= gap) void this.archive();
    else await this.hub.wake(this.#archivedAt + archiveMs);
  }

  #retryMs(): number {
    return Math.min(archiveMs * 2 ** this.#archiveFailures, retryMsMax);
  }

  // ---- out ------------------------------------------------------------------------------------

  /** Hands what is new to the connections; answers whether one of them listens. */
  #deliver(): boolean {
    const { connections, now, mailbox } = this.hub;
    let [reachable, awake] = [false, false];
    for (const { socket, connection, mail } of connections.withMail()) {
      const owing = mail.out > 0 ? (this.#owing.get(socket) ?? 0) : now();
      if (now() - owing < archiveMs) reachable = true;
      if (!connection.background) awake = true;
      this.#pump(socket);
    }
    if (!awake) this.#perform(mailbox.push());
    return reachable;
  }

  /** Sends a connection what it has not been told, as far as it keeps up. */
  #pump(socket: WebSocket): void {
    const { connections, mailbox, now } = this.hub;
    const { mail } = connections.of(socket);
    if (!mail || mail.told >= mailbox.last) return;
    const state: MailState = { ...mail };
    while (state.out < window && state.told < mailbox.last) {
      const { letters, upTo } = mailbox.read(state.told, portion, now());
      state.told = upTo;
      if (letters.length === 0) break;
      if (state.out === 0) this.#owing.set(socket, now());
      state.out += letters.length;
      send(socket, { type: "mail", messages: letters.map(({ at: _, ...message }) => message) });
    }
    connections.change(socket, { mail: state });
  }

  #acknowledged(instanceId: string, ack: number): void {
    const { mailbox, now, user } = this.hub;
    const { userId: by } = user();
    const time = now();
    for (const { id, from } of mailbox.acknowledge(instanceId, ack, time)) {
      if (from !== null) void this.#receipts.push(from, { note: "delivered", id, by, time });
    }
  }

  /** The history has it in any case: a sender's hub that cannot be reached is not waited for. */
  async #tellSender(sender: string, notes: Receipt[]): Promise<true[]> {
    const { applicationKey, userId } = this.hub.user();
    const told = notes.map((): true => true);
    if (sender === userId) {
      this.tell(notes, true);
      return told;
    }
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      try {
        await userHub(this.hub.env, { applicationKey, userId: sender }).receipts({ notes });
        return told;
      } catch (error) {
        log("warn", "receipts.failed", { attempt, error: String(error) });
      }
    }
    return told;
  }

  #perform(_effect: PushMail): void {
    // Until there are pushes, the message waits.
  }
}
