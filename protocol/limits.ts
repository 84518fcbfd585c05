/** Every limit and every timer, with the unit in the name. Source: SPEC sections 1 to 6. */

// biome-ignore-all lint/suspicious/noDuplicateEnumValues: these are numbers, not cases.
/** What clients know of, too. An enum: a bundler puts the numbers in their places, and leaves the names out. */
export enum limits {
  /** What pushes call a user. */
  displayNameBytes = 128,
  /** Names and values of a call's headers together, UTF-8. */
  headersBytes = 1_024,
  candidatesPerFrame = 64,
  callsPerConnection = 16,
  messageTextBytes = 16_384,
  recipients = 256,
  messagesPerFrame = 64,
  readsPerFrame = 100,
  typingRecipients = 16,
  /** What an app registers for its own pushes. */
  pushDataBytes = 1_024,
  conferenceIdCharacters = 64,
  /** Above that, a conference needs an SFU. Phones are not counted: they have a host. */
  meshParticipants = 6,
  signalsPerFrame = 64,
  /** The SDK tries for so long. */
  messageRetryHours = 12,
  ringSecondsMin = 5,
  ringSecondsMax = 120,
  pingSeconds = 25,
}

/** What only the server needs to know: a client's bundle does without. */
export const serverLimits = {
  deviceIdCharacters: 64,
  displayNameBytes: 128,
  /** A frame on the socket, UTF-8. The longest text of a message, every character of it escaped, fits. */
  frameBytes: 131_072,
  sdpBytes: 40_000,
  /** Through the SFU one description has everybody's tracks in it. A frame has room for it. */
  sfuSdpBytes: 110_000,
  candidateBytes: 1_024,
  /** From the opening of a socket to its hello. */
  helloSeconds: 30,
  /** Frames that do not parse, one after the other, before the socket is closed. */
  badFrames: 3,
  framesPerSecond: 100,
  framesBurst: 300,
  /** Calls that a user starts, on all devices. */
  callsPerSecond: 2,
  callsBurst: 30,
  connectionsPerUser: 64,
  instancesPerUser: 1_000,
  /** Events of one party of a call that nobody has acknowledged. */
  callLogEvents: 1_000,
  callLogBytes: 500_000,
  bodyBytes: 131_072,
  /** Messages that a user sends, each copy counted: the defaults of MESSAGES_PER_SECOND and MESSAGES_BURST. */
  messagesPerSecond: 50,
  messagesBurst: 500,
  /** Messages that wait for a user. */
  mailboxMessages: 10_000,
  /** Messages of one user for another whose hub cannot be reached. */
  outboxMessages: 1_000,
  /** A message is kept for so long, wherever it is. */
  messageDays: 30,
  /** A message's id may be so much older than now: the retries, and an hour for clocks and the way. */
  messageIdHours: 13,
  /** A message's id may be so far in the future. */
  messageIdAheadSeconds: 300,
  historyPage: 100,
  /** Of a push: APNs' alerts and FCM's data, VoIP, and Web Push as it travels, encrypted. */
  pushBytes: 4_096,
  pushVoipBytes: 5_120,
  /** Of a push pair's payload. */
  pushPairBytes: 100,
  /** Push pairs that a caller or a sender gets: those of the devices that were last renewed. */
  pushPairs: 100,
  /** That a call was missed is worth knowing for so long; a device that was off hears of it then. */
  missedCallHours: 24,
  /** A connection that has said nothing for so long, not even a ping, counts as gone where pushes are concerned. */
  silentSeconds: 60,
  /** Messages that come for a sleeping user within this time are one push. */
  messagePushSeconds: 5,
  pushCredentialsPerApplication: 100,
  /** A provider token is made at most so often, for a key. */
  providerTokenMinutes: 20,
  ringSeconds: 45,
  /** What +46000000000 says, and for how long. */
  promptPath: "/prompts/connected.mp3",
  promptSeconds: 9,
  /** At a time, on all devices: the default of PHONE_CALLS_PER_USER. */
  phoneCallsPerUser: 10,
  /** Also those that are being called. */
  conferenceParticipants: 50,
  /** Of one user among them: it may be in with several devices. */
  conferenceSeatsPerUser: 8,
  /** Phones and SIP addresses among them: each costs money, and its host work. */
  conferencePhones: 10,
  /** Calls that a conference makes. */
  calloutsPerSecond: 2,
  calloutsBurst: 50,
  /** What waits in a conference for its participants, and has not reached their calls. */
  roomBacklogBytes: 8_000_000,
  /**
   * What a user may signal to one participant: an honest description is some 10 kB. What five others say at once
   * is less than a call keeps for a party that is away (callLogBytes).
   */
  signalBytesPerSecond: 5_000,
  signalBytesBurst: 90_000,
  /** Of one description's tracks through the SFU: more go with the next one. */
  sfuTracksPerChange: 64,
  trunksPerApplication: 20,
  /** Of a trunk, prefixes and SIP domains each. */
  trunkRules: 1_000,
  /** `callSip`: the address, characters. */
  sipAddress: 256,
  /** A header of SIP, characters of its name. */
  sipHeaderName: 64,
  /** From INVITE to any answer of a trunk; then the next trunk has its turn. */
  trunkAnswerSeconds: 4,
  /** A gateway that went away in a call may come back for so long. */
  gatewaySeconds: 30,
  /** One that is owed a BYE gets it when it is back, if that is so soon. */
  farewellMinutes: 60,
  /** How often a SIP leg makes sure that its gateway and its call are there. */
  sipProbeSeconds: 60,
  /** Of a session that nobody refreshes (RFC 4028). */
  sessionExpiresSeconds: 1_800,
  rateCardBytes: 8_000_000,
  rateCardLines: 100_000,
  /** Of talk: what a phone call reserves before it dials, and then at most at a time. */
  reserveSeconds: 60,
  reserveSecondsMax: 300,
  /** Before what is reserved runs out, more is asked for. */
  reserveAheadSeconds: 15,
  /** A reservation whose call was lost is looked for after so long. */
  abandonedMinutes: 10,
  connectSeconds: 20,
  mediaLossSeconds: 20,
  awaySeconds: 30,
  callSecondsMax: 14_400,
  /** An ended call's session answers late frames for so long. */
  lingerSeconds: 60,
  instanceTokenDays: 30,
  /** An expired instance token can still be renewed for so long. */
  instanceRenewDays: 365,
} as const;
