/** Every limit and every timer, with the unit in the name. Source: SPEC sections 1 to 3. */
export const limits = {
  userIdCharacters: 40,
  deviceIdCharacters: 64,
  displayNameBytes: 128,
  /** Names and values of a call's headers together, UTF-8. */
  headersBytes: 1_024,
  /** A frame on the socket, UTF-8. An offer with all of Chromium's codecs is about 8 KB. */
  frameBytes: 65_536,
  sdpBytes: 40_000,
  candidateBytes: 1_024,
  candidatesPerFrame: 64,
  /** From the opening of a socket to its hello. */
  helloSeconds: 30,
  /** Frames that do not parse, one after the other, before the socket is closed. */
  badFrames: 3,
  framesPerSecond: 100,
  framesBurst: 300,
  callsPerConnection: 16,
  /** Calls that a user starts, on all devices. */
  callsPerSecond: 2,
  callsBurst: 30,
  connectionsPerUser: 64,
  instancesPerUser: 100,
  /** Events of one party of a call that nobody has acknowledged. */
  callLogEvents: 1_000,
  callLogBytes: 500_000,
  bodyBytes: 65_536,

  ringSeconds: 45,
  ringSecondsMin: 5,
  ringSecondsMax: 120,
  connectSeconds: 20,
  mediaLossSeconds: 20,
  awaySeconds: 30,
  callSecondsMax: 14_400,
  /** An ended call's session answers late frames for so long. */
  lingerSeconds: 60,
  instanceTokenDays: 30,
  /** An expired instance token can still be renewed for so long. */
  instanceRenewDays: 365,
  pingSeconds: 25,
} as const;
