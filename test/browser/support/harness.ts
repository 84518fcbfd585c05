/** What a page needs for being watched: runs before the page's own scripts. */
import type { Call, CarillonClient } from "../../../sdk/src";

interface Harness {
  client?: CarillonClient;
  /** Every connection that was made, oldest first. */
  peers: RTCPeerConnection[];
  /** The calls that came in, oldest first. */
  incoming: Call[];
  /** The events of each call, by name. */
  events: Map<Call, string[]>;
  watch(call: Call): Call;
}

declare global {
  interface Window {
    harness: Harness;
    /** The softphone shows it on the developer's own machine. */
    carillon: { client?: CarillonClient; CarillonClient: typeof CarillonClient };
  }
}

/** Playwright sends its text: nothing from outside may be used here. */
export function installHarness(): void {
  const names = [
    "progressing",
    "ringing",
    "answered",
    "established",
    "ended",
    "videoTrackAdded",
    "remoteMedia",
  ] as const;
  const peers: RTCPeerConnection[] = [];
  const events = new Map<Call, string[]>();
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      peers.push(this);
    }
  };
  window.harness = {
    peers,
    incoming: [],
    events,
    watch(call) {
      const heard: string[] = [];
      events.set(call, heard);
      for (const name of names) call.on(name, () => heard.push(name));
      return call;
    },
  };
}
