/** The tabs that share one storage, as far as they have to agree. Elsewhere one process is alone with it. */

/** `navigator.locks`, as much of it as is used. */
export interface Locks {
  request<T>(
    name: string,
    options: { signal?: AbortSignal; steal?: boolean },
    run: () => Promise<T>,
  ): Promise<T>;
}

/** What one tab posts, all others hear. */
export interface TabChannel {
  post(message: unknown): void;
  close(): void;
}

/** Runs it in one tab at a time, where there are tabs. */
export function locked<T>(locks: Locks | undefined, name: string, run: () => Promise<T>): Promise<T> {
  return locks ? locks.request(name, {}, run) : run();
}

/**
 * Takes a turn, as soon as no other tab has it, or (`steal`) at once, and keeps it until what is returned
 * is called, the tab closes, or another tab steals it: then `lost` is called.
 */
export function takeTurn(
  locks: Locks | undefined,
  name: string,
  steal: boolean,
  begin: () => void,
  lost: () => void,
): () => void {
  const withdraw = new AbortController();
  let over = false;
  let begun = false;
  let end = () => withdraw.abort();
  const run = () =>
    new Promise<void>((resolve) => {
      end = resolve;
      if (over) return resolve();
      begun = true;
      begin();
    });
  if (!locks) begin();
  else {
    // Rejects when it is withdrawn while another tab has the turn, and when it is stolen. Not both options at once.
    locks.request(name, steal ? { steal } : { signal: withdraw.signal }, run).catch(() => {
      if (begun && !over) lost();
    });
  }
  return () => {
    over = true;
    end();
  };
}

/** Only where there are locks: those who cannot agree have nobody to talk to. */
export function openTabChannel(name: string, hear: (message: unknown) => void): TabChannel | undefined {
  const { BroadcastChannel } = globalThis;
  if (!BroadcastChannel || !globalThis.navigator?.locks) return undefined;
  const channel = new BroadcastChannel(name);
  channel.onmessage = ({ data }) => hear(data);
  // Node: it alone is no reason to go on living.
  (channel as { unref?(): void }).unref?.();
  return { post: (message) => channel.postMessage(message), close: () => channel.close() };
}
