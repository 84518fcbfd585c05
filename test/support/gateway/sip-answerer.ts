/** The answering side of SIP over any transport: sip.js's core, of which a test or the benchmark scripts the answers. */
import {
  Grammar,
  type IncomingInviteRequest,
  IncomingRequestMessage,
  IncomingResponseMessage,
  LoggerFactory,
  Parser,
  UserAgentCore,
} from "sip.js/lib/core/index.js";

export interface SipAnswerer {
  /** What came in. */
  receive(text: string): void;
  dispose(): void;
}

export function sipAnswerer(how: {
  protocol: "UDP" | "WS";
  /** Host and port of Contact. */
  at: string;
  send(text: string): void;
  onInvite(invite: IncomingInviteRequest): void;
}): SipAnswerer {
  const loggerFactory = new LoggerFactory();
  loggerFactory.builtinEnabled = false;
  const uri = Grammar.URIParse(`sip:answerer@${how.at}`);
  if (!uri) throw new Error(`not an address: ${how.at}`);
  const transport = { protocol: how.protocol, send: async (text: string) => how.send(text) };
  const core = new UserAgentCore(
    {
      aor: uri,
      contact: { uri, toString: () => `<${uri}>` } as UserAgentCore["configuration"]["contact"],
      displayName: "",
      loggerFactory,
      hackViaTcp: false,
      routeSet: [],
      sipjsId: crypto.randomUUID().slice(0, 5),
      supportedOptionTags: [],
      supportedOptionTagsResponse: [],
      userAgentHeaderFieldValue: "answerer",
      viaForceRport: false,
      viaHost: how.at,
      authenticationFactory: () => undefined,
      transportAccessor: () => transport as ReturnType<UserAgentCore["configuration"]["transportAccessor"]>,
    },
    { onInvite: how.onInvite },
  );
  const logger = loggerFactory.getLogger("answerer");
  return {
    receive(text) {
      const message = Parser.parseMessage(text, logger);
      if (message instanceof IncomingRequestMessage) {
        // Whoever is called is here.
        message.ruri = uri;
        core.receiveIncomingRequestFromTransport(message);
      }
      if (message instanceof IncomingResponseMessage) core.receiveIncomingResponseFromTransport(message);
    },
    dispose: () => core.dispose(),
  };
}
