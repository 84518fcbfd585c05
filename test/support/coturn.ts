/** A relay of our own: coturn on a free port of 127.0.0.1, with a shared secret. */

import { createSocket } from "node:dgram";
import { findProgram, freePort, killTree, startProgram, until } from "./programs";

export interface Relay {
  port: number;
  /** What the platform takes: TURN_URLS and TURN_SECRET. */
  env: { TURN_URLS: string; TURN_SECRET: string };
  stop(): Promise<void>;
}

const secret = "relay-secret-of-the-tests";

/** Starts one; on a given port, it takes the place of one that was there. */
export async function startRelay(given?: number): Promise<Relay> {
  const port = given ?? (await freePort());
  const program = startProgram(findProgram("turnserver"), [
    ...["-n", "--no-cli", "--no-tls", "--no-dtls", "--log-file", "stdout", "--pidfile", ""],
    ...["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "--listening-port", String(port)],
    ...["--allow-loopback-peers", "--realm", "carillon.test"],
    ...["--use-auth-secret", "--static-auth-secret", secret],
  ]);
  let ended = false;
  program.exited.then(
    () => {
      ended = true;
    },
    () => {
      ended = true;
    },
  );
  await until("coturn", async () => {
    if (ended) throw new Error(`coturn ended:\n${program.output()}`);
    return answersBinding(port);
  });
  return {
    port,
    env: {
      TURN_URLS: `turn:127.0.0.1:${port}?transport=udp,turn:127.0.0.1:${port}?transport=tcp`,
      TURN_SECRET: secret,
    },
    async stop() {
      killTree(program.pid);
      await program.exited;
    },
  };
}

/** Sends a STUN binding request (RFC 8489, section 5) and sees whether anything comes back. */
function answersBinding(port: number): Promise<boolean> {
  const request = Buffer.alloc(20);
  request.writeUInt16BE(0x0001, 0);
  request.writeUInt32BE(0x2112a442, 4);
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    const end = (answered: boolean) => {
      clearTimeout(timer);
      socket.close();
      resolve(answered);
    };
    const timer = setTimeout(end, 200, false);
    socket.once("message", () => end(true));
    socket.once("error", () => end(false));
    socket.send(request, port, "127.0.0.1");
  });
}
