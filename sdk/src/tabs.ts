/** The tabs that share one storage, as far as they have to agree. Elsewhere one process is alone with it. */

/** `navigator.locks`, as much of it as is used. */
export interface Locks {
  request<T>(name: string, options: { signal?: AbortSignal }, run: () => Promise<T>): Promise<T>;
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

/** Takes a turn, as soon as no other tab has it, and keeps it until what is returned is called, or the tab closes. */
export function takeTurn(locks: Locks | undefined, name: string, begin: () => void): () => void {
  const withdraw = new AbortController();
  let over = false;
  let end = () => withdraw.abort();
  const run = () =>
    new Promise<void>((resolve) => {
      end = resolve;
      if (over) resolve();
      else begin();
    });
  if (!locks) begin();
  // Rejects when it is withdrawn while another tab has the turn.
  else locks.request(name, { signal: withdraw.signal }, run).catch(() => {});
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
