/** A Carillon in memory, as far as the protocol goes: what it is told, it records; what it says, a test can hold back. */
import {
  type CallEvent,
  type CallFrame,
  type CallOperation,
  type CallPosition,
  type CallRate,
  type CallRequest,
  type CallTimes,
  type Candidate,
  type ClientFrame,
  type EndCause,
  type ErrorBody,
  errorBody,
  type Hello,
  type Progress,
  type ServerFrame,
} from "../../../protocol";

import { FakeMail } from "./mail";
import { FakeRoom } from "./room";

/** One end of a socket, as the server sees it. */
export interface Wire {
  send(text: string): void;
  close(code: number): void;
}

interface Connection {
  key: string;
  userId: string;
  hello: Hello;
  wire: Wire | undefined;
  token: string;
}

/** A party's side of a call: its numbered events and how far its operations came. */
interface Party {
  key: string;
  log: CallFrame[];
  seq: number;
  n: number;
}

interface Session {
  callId: string;
  caller: Party;
  callees: Map<string, Party>;
  taken?: string;
  offer: Extract<CallOperation, { op: "start" }>;
  times: CallTimes;
  flowing: Set<string>;
  /** The caller's, for devices that come later. */
  candidates: Candidate[];
  over: boolean;
  room?: FakeRoom;
}

/** What a line has besides users. */
type LineEnd = Pick<Extract<CallEvent, { event: "ended" }>, "cost" | "headers">;

export interface Received {
  from: string;
  frame: ClientFrame;
}

export class FakeServer {
  readonly connections = new Map<string, Connection>();
  readonly sessions = new Map<string, Session>();
  readonly received: Received[] = [];
  /** Refuses the next hellos with this. */
  refusal: { code: number; error: ErrorBody } | undefined;
  iceServersAsked = 0;
  /** Users whom pushes wake, and what their callers are told of that. */
  readonly sleeping = new Map<string, Omit<Progress, "devices">>();
  /** What calls to phones cost. */
  rate: CallRate | undefined;
  /** What is told of them at their end. */
  lineEnd: LineEnd = {};
  readonly rooms = new Map<string, FakeRoom>();
  /** Why calls that are forgotten ended. */
  readonly causes = new Map<string, EndCause>();
  readonly mail = new FakeMail({
    now: () => this.now(),
    connections: () => [...this.connections.values()],
    send: ({ wire }, frame) => wire && this.#send(wire, frame),
  });

  constructor(readonly now: () => number = () => Date.now()) {}

  /** Somebody connects; what comes back takes its frames and its end. */
  accept(token: string, wire: Wire): { receive(text: string): void; gone(): void } {
    let connection: Connection | undefined;
    const userId = token.split(":")[0] ?? token;
    return {
      receive: (text) => {
        if (text === "ping") return wire.send("pong");
        const frame = JSON.parse(text) as ClientFrame;
        if (frame.type === "hello") connection = this.#hello(userId, frame, wire, token);
        else if (connection) this.#take(connection, frame);
      },
      gone: () => {
        if (connection?.wire === wire) connection.wire = undefined;
      },
    };
  }

  /** What one connection sent of a kind, its operations by their names. */
  sentBy(userId: string): string[] {
    return this.received
      .filter(({ from }) => from.startsWith(userId))
      .map(({ frame }) => (frame.type === "call" ? frame.op.op : frame.type));
  }

  operations(userId: string, op?: CallOperation["op"]): CallRequest[] {
    return this.received
      .filter(({ from }) => from.startsWith(userId))
      .flatMap(({ frame }) => (frame.type === "call" && (!op || frame.op.op === op) ? [frame] : []));
  }

  /** Tells a caller what its line does. An answer is taken as heard there. */
  line(callId: string, event: CallEvent): void {
    const session = this.sessions.get(callId);
    if (!session) throw new Error("No such call.");
    if (event.event === "answered") {
      session.taken = "line";
      session.times.answered = event.time;
      session.flowing.add("line");
    }
    this.#tell(session, session.caller, event);
  }

  room(conference: string): FakeRoom {
    const room = this.rooms.get(conference) ?? new FakeRoom(conference);
    this.rooms.set(conference, room);
    return room;
  }

  /** A conference calls a user. */
  callOut(callId: string, userId: string, conference: string): void {
    const party = (key: string): Party => ({ key, log: [], seq: 0, n: 0 });
    const targets = [...this.connections.values()].filter((connection) => connection.userId === userId);
    const session: Session = {
      callId,
      caller: party(`${conference}/room`),
      callees: new Map(targets.map(({ key }) => [key, party(key)])),
      offer: { op: "start", to: userId, line: "conference", video: false, headers: {} },
      times: { started: this.now() },
      flowing: new Set(),
      candidates: [],
      over: false,
      room: this.room(conference),
    };
    this.sessions.set(callId, session);
    for (const callee of session.callees.values()) this.#ring(session, callee);
  }

  /** Ends a call from the server's side. */
  end(callId: string, cause: EndCause, error?: ErrorBody): void {
    const session = this.sessions.get(callId);
    if (session) this.#end(session, () => cause, error);
  }

  #hello(userId: string, hello: Hello, wire: Wire, token: string): Connection | undefined {
    const key = `${userId}/${hello.connectionId}`;
    this.received.push({ from: key, frame: hello });
    if (this.refusal) {
      const { code, error } = this.refusal;
      this.#send(wire, { type: "refused", versions: [1], error });
      wire.close(code);
      return undefined;
    }
    const connection = { key, userId, hello, wire, token };
    this.connections.set(key, connection);
    this.#send(wire, {
      type: "welcome",
      version: 1,
      versions: [1],
      userId,
      instanceId: "i",
      time: this.now(),
      reference: "r",
    });
    this.#sync(connection, hello.calls);
    this.mail.open(connection);
    this.#offerRinging(connection);
    return connection;
  }

  /** Sends what a connection has missed of calls; what it names for the first time was pushed to it. */
  #sync({ key, userId, wire }: Connection, calls: CallPosition[]): void {
    if (!wire) return;
    for (const { callId, ack } of calls) {
      const session = this.sessions.get(callId);
      const rings = session && !session.over && !session.taken && session.offer.to === userId;
      const known = this.#party(session, key);
      if (rings && !known) this.#ring(session, { key, log: [], seq: 0, n: 0 });
      for (const frame of known?.log ?? []) if (frame.seq > ack) this.#send(wire, frame);
      const unknown = !known && !rings && { unknown: true as const, cause: this.causes.get(callId) };
      this.#send(wire, { type: "synced", callId, n: known?.n ?? 0, ...unknown });
    }
  }

  /** What rings for the user is offered to devices that come, or come back not knowing of it. */
  #offerRinging({ key, userId, hello, wire }: Connection): void {
    for (const session of this.sessions.values()) {
      const known = hello.calls.some(({ callId }) => callId === session.callId);
      if (known || session.over || session.taken || session.offer.to !== userId || !hello.state.listening)
        continue;
      const party = session.callees.get(key);
      if (party && wire) for (const frame of party.log) this.#send(wire, frame);
      else this.#ring(session, { key, log: [], seq: 0, n: 0 });
    }
  }

  #ring(session: Session, callee: Party): void {
    session.callees.set(callee.key, callee);
    const { displayName, video, headers, offer } = session.offer;
    this.#tell(session, callee, {
      event: "incoming",
      from: { userId: session.caller.key.split("/")[0] ?? "", ...(displayName && { displayName }) },
      video,
      headers,
      offer,
      ...(session.room && { conference: session.room.conference }),
      times: session.times,
      ringsUntil: session.times.started + 45_000,
    });
    const { candidates } = session;
    if (candidates.length > 0) this.#tell(session, callee, { event: "candidates", candidates });
  }

  #take(connection: Connection, frame: ClientFrame): void {
    this.received.push({ from: connection.key, frame });
    if (frame.type === "call") {
      this.#operation(connection, frame);
      return;
    }
    this.mail.take(connection, frame);
    if (frame.type === "relay") this.#sync(connection, frame.calls);
    if (frame.type === "state") connection.hello.state = frame.state;
    if (frame.type === "iceServers") {
      this.iceServersAsked += 1;
      this.#answer(connection, frame.id, { iceServers: [], expiresAt: this.now() + 3_600_000 });
      return;
    }
    if (frame.type === "presence") this.#answer(connection, frame.id, { online: true, lastSeen: null });
    else if (frame.type === "state") this.#answer(connection, frame.id, {});
  }

  #operation(connection: Connection, { id, callId, n, op }: CallRequest): void {
    const session = this.sessions.get(callId);
    if (op.op === "start" && !session) {
      this.#start(connection, id, callId, op);
      return;
    }
    const party = this.#party(session, connection.key);
    if (!session || !party) {
      this.#refuse(connection, id, errorBody("notFound"));
      return;
    }
    const again = n <= party.n;
    if (again && op.op !== "hangup") {
      this.#answer(connection, id, {});
      return;
    }
    if (!again && n !== party.n + 1) throw new Error(`Operation ${n} after ${party.n}`);
    if (session.over && op.op !== "hangup") throw new Error(`${op.op} after the end`);
    if (!again) party.n = n;
    const error = session.over ? undefined : this.#apply(session, party, op);
    if (error) this.#refuse(connection, id, error);
    else if (op.op === "hangup") {
      const { event: _, ...ended } = this.#ended(session, "hungUp");
      this.#answer(connection, id, { time: this.now(), ended });
    } else this.#answer(connection, id, op.op === "start" ? { time: session.times.started } : {});
  }

  #start(
    connection: Connection,
    id: number,
    callId: string,
    op: Extract<CallOperation, { op: "start" }>,
  ): void {
    if (op.line === "conference") {
      this.#join(connection, id, callId, op);
      return;
    }
    const targets = [...this.connections.values()].filter(
      ({ userId, hello }) => userId === op.to && hello.state.listening && !hello.state.background,
    );
    const asleep = op.line ? { rate: this.rate } : this.sleeping.get(op.to);
    if (targets.length === 0 && !asleep) {
      this.#refuse(connection, id, errorBody("userOffline"));
      return;
    }
    const party = (key: string): Party => ({ key, log: [], seq: 0, n: 0 });
    const session: Session = {
      callId,
      caller: { ...party(connection.key), n: 1 },
      callees: new Map(targets.map(({ key }) => [key, party(key)])),
      offer: op,
      times: { started: this.now() },
      flowing: new Set(),
      candidates: [],
      over: false,
    };
    this.sessions.set(callId, session);
    const progress = { devices: targets.length + (asleep ? 1 : 0), ...asleep };
    this.#log(session, session.caller, { event: "progressing", ...progress, time: this.now() });
    this.#answer(connection, id, { time: session.times.started, ...progress });
    for (const callee of session.callees.values()) this.#ring(session, callee);
  }

  /** As the room's session does: progressing with the answer, and everything else at once after it. */
  #join(
    connection: Connection,
    id: number,
    callId: string,
    op: Extract<CallOperation, { op: "start" }>,
  ): void {
    const time = this.now();
    const session: Session = {
      callId,
      caller: { key: connection.key, log: [], seq: 0, n: 1 },
      callees: new Map(),
      taken: "room",
      offer: op,
      times: { started: time, answered: time, established: time },
      flowing: new Set(),
      candidates: [],
      over: false,
      room: this.room(op.to),
    };
    this.sessions.set(callId, session);
    this.#log(session, session.caller, { event: "progressing", devices: 1, time });
    this.#answer(connection, id, { time, devices: 1 });
    this.#seat(session, session.caller, connection.userId);
  }

  #seat(session: Session, party: Party, userId: string): void {
    const time = this.now();
    if (party === session.caller) this.#tell(session, party, { event: "answered", candidates: [], time });
    this.#tell(session, party, { event: "established", time });
    session.room?.join(session.callId, userId, session.offer, time, (room) =>
      this.#tell(session, party, { event: "room", room }),
    );
  }

  #apply(session: Session, party: Party, op: CallOperation): ErrorBody | undefined {
    const isCaller = party === session.caller;
    const others = this.#others(session, party);
    const time = this.now();
    switch (op.op) {
      case "start":
        return undefined;
      case "ringing":
        if (!session.times.ringing) this.#tell(session, session.caller, { event: "ringing", time });
        session.times.ringing ??= time;
        return undefined;
      case "answer":
        if (session.taken) return errorBody("conflict");
        session.taken = party.key;
        session.times.answered = time;
        if (session.room) {
          this.#seat(session, party, session.offer.to);
          return undefined;
        }
        this.#tell(session, session.caller, {
          event: "answered",
          description: op.description,
          candidates: op.candidates,
          time,
        });
        for (const other of session.callees.values()) {
          if (other !== party) this.#tell(session, other, this.#ended(session, "otherDeviceAnswered"));
        }
        return undefined;
      case "candidates":
        if (isCaller) session.candidates.push(...op.candidates);
        for (const other of others)
          this.#tell(session, other, { event: "candidates", candidates: op.candidates });
        return undefined;
      case "description":
        for (const other of others) {
          this.#tell(session, other, {
            event: "description",
            description: op.description,
            candidates: op.candidates,
          });
        }
        return undefined;
      case "room":
        return session.room?.hear(session.callId, op);
      case "media":
        if (session.room) session.room.hear(session.callId, op);
        else for (const other of others) this.#tell(session, other, { event: "media", media: op.media });
        return undefined;
      case "flowing":
        if (op.flowing) session.flowing.add(party.key);
        else session.flowing.delete(party.key);
        if (session.flowing.size === 2 && !session.times.established) {
          session.times.established = time;
          for (const key of session.flowing) {
            const flowing = this.#party(session, key);
            if (flowing) this.#tell(session, flowing, { event: "established", time });
          }
        }
        return undefined;
      case "transfer":
        for (const other of others) this.#tell(session, other, { event: "transferred", to: op.to });
        this.#end(session, () => "hungUp");
        return undefined;
      case "hangup": {
        const early = isCaller ? "canceled" : "denied";
        const cause = op.error ? "failure" : session.taken ? "hungUp" : early;
        session.room?.leave(session.callId);
        this.#end(session, () => cause, op.error);
        return undefined;
      }
    }
  }

  #end(session: Session, cause: () => EndCause, error?: ErrorBody): void {
    session.over = true;
    session.times.ended = this.now();
    const event = { ...this.#ended(session, cause()), ...(error && { error }) };
    this.#tell(session, session.caller, event);
    for (const callee of session.callees.values()) {
      if (!session.taken || session.taken === callee.key) this.#tell(session, callee, event);
    }
  }

  #ended(session: Session, cause: EndCause): Extract<CallEvent, { event: "ended" }> {
    const line = session.offer.line ? this.lineEnd : {};
    return { event: "ended", cause, times: { ...session.times, ended: this.now() }, ...line };
  }

  #others(session: Session, party: Party): Party[] {
    if (party !== session.caller) return [session.caller];
    return [...session.callees.values()].filter(({ key }) => !session.taken || key === session.taken);
  }

  #party(session: Session | undefined, key: string): Party | undefined {
    return session?.caller.key === key ? session.caller : session?.callees.get(key);
  }

  /** Only for a resume: the answer to an operation carries it. */
  #log(session: Session, party: Party, event: CallEvent): CallFrame {
    party.seq += 1;
    const frame: CallFrame = { type: "call", callId: session.callId, seq: party.seq, event };
    party.log.push(frame);
    return frame;
  }

  #tell(session: Session, party: Party, event: CallEvent): void {
    const frame = this.#log(session, party, event);
    const wire = this.connections.get(party.key)?.wire;
    if (wire) this.#send(wire, frame);
  }

  #answer(
    connection: Connection,
    id: number,
    result: Extract<ServerFrame, { type: "answer" }>["result"],
  ): void {
    if (connection.wire) this.#send(connection.wire, { type: "answer", id, result });
  }

  #refuse(connection: Connection, id: number, error: ErrorBody): void {
    if (connection.wire) this.#send(connection.wire, { type: "error", id, error });
  }

  #send(wire: Wire, frame: ServerFrame): void {
    wire.send(JSON.stringify(frame));
  }
}
