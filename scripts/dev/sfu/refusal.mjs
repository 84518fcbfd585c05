// @ts-check
/** What the API says no with. */

/** An error of the whole request. */
export class Refusal extends Error {
  /** @param {number} status @param {string} code @param {string} description */
  constructor(status, code, description) {
    super(description);
    this.status = status;
    this.body = { errorCode: code, errorDescription: description };
  }
}

export const invalid = (/** @type {string} */ why) => new Refusal(406, "invalid_params", why);
export const wrongState = (/** @type {string} */ why) => new Refusal(406, "invalid_session_description", why);
