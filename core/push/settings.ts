/** The part of a deployment's settings that is about pushes: where the providers are. */
export interface PushSettings {
  APNS_PRODUCTION_URL?: string;
  APNS_DEVELOPMENT_URL?: string;
  FCM_URL?: string;
  /** Where Google gives access tokens; never taken from an uploaded service account. */
  FCM_TOKEN_URL?: string;
  /**
   * Push services beside those of the browsers: comma-separated hosts (`push.example.com`,
   * `*.example.com`); with `http://127.0.0.1:8080` a stand-in on this machine.
   */
  WEB_PUSH_HOSTS?: string;
}
