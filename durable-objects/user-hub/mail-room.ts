import { archiveFor } from "../../core/db/database";
import { Lanes } from "../../core/lanes";
import { log } from "../../core/log";
import { writeMessages, writeReads } from "../../core/messages/archive";
import { sizeOf } from "../../core/messages/mail-log";
import type { Mailbox } from "../../core/messages/mailbox";
import type { Notes, Unnumbered } from "../../core/messages/notes";
import { closeCodes, type MailPosition, type Note, type ReadMessages, serverLimits } from "../../protocol";
import type { Env } from "../env";
import { userHub } from "../names";
import { type Connections, type MailState, send } from "./connections";
import type { PushDesk } from "./push-desk";
import type { Copy, Receipt, Take, Taken, UserAddress } from "./rpc";

interface Surroundings {
  env: Env;
  connections: Connections;
  mailbox: Mailbox;
  notes: Notes;
  push: PushDesk;
  now: () => number;
  user: () => UserAddress;
  /** The user has devices that take messages. */
  hasReaders: () => boolean;
  /** Let the alarm ring then, or before. */
  wake: (time: number) => Promise<void>;
}

/** What a connection may have ahead of its acknowledgement: so much is in memory for each. */
const window = { count: 500, size: 1_000_000 };
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
  async take({ messages, reference }: Take): Promise<Taken> {
    const { mailbox, now } = this.hub;
    const before = mailbox.last;
    const taken: Taken = mailbox.take(messages, now());
    const news = mailbox.last > before;
    const reachable = news && this.#deliver();
    if (this.isAsleep) await this.#wakeUp(messages, taken, reference);
    if (!news) return taken;
    // A device's acknowledgement is what sends it to the archive; without one the alarm does.
    await this.hub.wake(now() + (reachable ? keepMs : archiveMs));
    return taken;
  }

  /** No connection of the user is in the foreground, as far as can be told. */
  get isAsleep(): boolean {
    const { connections, now } = this.hub;
    return this.#connected().every(
      ({ connection, socket }) => connection.background || connections.isSilent(socket, now()),
    );
  }

  /** The newest of the messages speaks for all that wait. */
  async #wakeUp(messages: readonly Copy[], taken: Taken, reference: string): Promise<void> {
    const at = taken.findLastIndex((one) => one.ok);
    const [message, result] = [messages[at], taken[at]];
    if (!message || !result?.ok) return;
    // The answer to the first time may have been lost, and the pairs with it.
    const { pairs, headersOmitted } = await this.hub.push.message(message, reference, result.value.repeated);
    if (pairs.length > 0) result.value.pushPairs = pairs;
    if (headersOmitted) result.value.headersOmitted = true;
  }

  /** A connection wants messages, from its position on. */
  async open(socket: WebSocket, instanceId: string, start: number, position: MailPosition): Promise<void> {
    const { mailbox, notes, connections } = this.hub;
    const ack = Math.min(position.ack ?? start, mailbox.last);
    connections.change(socket, { mail: { ack, told: ack, out: 0, size: 0, ...mailbox.progress } });
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
    const size = mail.out === 0 ? 0 : (mail.size * out) / mail.out;
    connections.change(socket, { mail: { ...mail, ack, out, size } });
    if (out === 0) this.#owing.delete(socket);
    else this.#owing.set(socket, this.hub.now());
    this.#acknowledged(instanceId, ack);
    this.#pump(socket);
    if (mailbox.unarchived) await this.#archiveSoon();
  }

  /** A connection of a device is gone. After a sleep only its attachment knows how far it was. */
  async close(instanceId: string, mail: MailState, reference: string): Promise<void> {
    const { mailbox, now, push } = this.hub;
    mailbox.recall({ ...mail, delivered: mail.ack });
    mailbox.acknowledge(instanceId, mail.ack, now());
    mailbox.store();
    // It does not acknowledge any more, which would have sent it to the archive.
    if (mailbox.unarchived) await this.#archiveSoon();
    // It was there when the messages came, so nobody was woken; it may have been gone already.
    const { newest } = mailbox;
    if (newest && mail.told > mail.ack && mailbox.waiting > 0 && this.isAsleep)
      await push.message(newest, reference);
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
    const here = this.#connected().filter(({ socket }) => socket !== except);
    if (here.length === 0 && !(keep && hasReaders())) return;
    // Of a failure the history knows nothing: a device has to have it.
    const stored = here.length === 0 || (keep && notes.some(({ note }) => note === "failed"));
    const knows = except && connections.of(except).instanceId;
    const numbered = this.hub.notes.add(notes, now(), stored, knows);
    for (const { socket } of here) send(socket, { type: "notes", notes: numbered });
  }

  /** Errors are thrown: the device asks again. */
  async read(socket: WebSocket, { messages }: ReadMessages): Promise<void> {
    const { env, user, now } = this.hub;
    const { applicationKey, userId } = user();
    // D1 says whether they were for this user, so it has to have them.
    if (!(await this.bringUpToDate())) throw new Error("D1 does not have them yet");
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
    for (const { socket } of this.#connected()) send(socket, { type: "typing", from });
  }

  // ---- the archive ----------------------------------------------------------------------------

  /** Writes what D1 does not have. One at a time; resolves also when D1 is not there. */
  archive(): Promise<void> {
    this.#archiving ??= this.#archive().finally(() => {
      this.#archiving = null;
    });
    return this.#archiving;
  }

  /** Until D1 has what is here now; false when D1 is not there. */
  async bringUpToDate(): Promise<boolean> {
    const { mailbox } = this.hub;
    const { last } = mailbox;
    // The first one may have been under way, for less.
    for (let tries = 0; tries < 2 && mailbox.progress.archived < last; tries += 1) await this.archive();
    return mailbox.progress.archived >= last;
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
    // What comes meanwhile goes with the next: under load this would never end.
    const { last } = mailbox;
    const { delivered: stateTo } = mailbox.progress;
    const behind = () => mailbox.progress.archived < last || mailbox.progress.stated < stateTo;
    try {
      for (let work = mailbox.archiveWork(now()); work && behind(); work = mailbox.archiveWork(now())) {
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
    const { now } = this.hub;
    let reachable = false;
    for (const { socket, mail } of this.#connected()) {
      const owing = mail.out > 0 ? (this.#owing.get(socket) ?? 0) : now();
      if (now() - owing < archiveMs) reachable = true;
      this.#pump(socket);
    }
    return reachable;
  }

  /** The connections that messages go to. One whose credentials have ended meanwhile has heard the last. */
  #connected() {
    const { connections, now } = this.hub;
    return connections.withMail().filter(({ socket, connection: { expires } }) => {
      const ended = expires !== undefined && expires <= now();
      if (ended) connections.dismiss(socket, closeCodes.unauthorized, "tokenExpired");
      return !ended;
    });
  }

  /** Sends a connection what it has not been told, as far as it keeps up. */
  #pump(socket: WebSocket): void {
    const { connections, mailbox, now } = this.hub;
    const { mail } = connections.of(socket);
    if (!mail || mail.told >= mailbox.last) return;
    const state: MailState = { ...mail };
    while (state.out < window.count && state.size < window.size && state.told < mailbox.last) {
      const { letters, upTo } = mailbox.read(state.told, portion, now());
      state.told = upTo;
      if (letters.length === 0) break;
      if (state.out === 0) this.#owing.set(socket, now());
      state.out += letters.length;
      state.size += letters.reduce((sum, letter) => sum + sizeOf(letter), 0);
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
    for (let attempt = 1; attempt <= 3 && !this.#retired; attempt += 1) {
      try {
        const { applicationKey, userId } = this.hub.user();
        if (sender === userId) this.tell(notes, true);
        else await userHub(this.hub.env, { applicationKey, userId: sender }).receipts({ notes });
        break;
      } catch (error) {
        log("warn", "receipts.failed", { attempt, error: String(error) });
      }
    }
    return notes.map(() => true);
  }
}
