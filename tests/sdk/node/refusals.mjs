// OpenAI's own JavaScript client turns the gateway's refusals into the errors that programs catch.
//
// The gateway is named by REGROW_BASE_URL and REGROW_TOKEN.

import assert from 'node:assert/strict';
import OpenAI, { AuthenticationError, BadRequestError, NotFoundError } from 'openai';

const { REGROW_BASE_URL: baseURL, REGROW_TOKEN: token } = process.env;
const connect = (apiKey = token) => new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 30_000 });
const hello = { model: 'openclaw', messages: [{ role: 'user', content: 'hello' }] };
const complete = (changes, apiKey) => connect(apiKey).chat.completions.create({ ...hello, ...changes });

const checks = [
  ['a wrong token', () => complete({}, 'wrong'), [AuthenticationError]],
  ['an unknown model', () => complete({ model: 'no-such-model' }), [BadRequestError, NotFoundError]],
  ['an unknown model, streamed', () => complete({ model: 'no-such-model', stream: true }), [BadRequestError, NotFoundError]],
  ["an unknown model's description", () => connect().models.retrieve('no-such-model'), [NotFoundError]],
  ['no messages', () => complete({ messages: [] }), [BadRequestError]],
];

for (const [name, request, expected] of checks) {
  console.log(`  ${name}`);
  await assert.rejects(request, (error) => {
    assert.ok(expected.some((kind) => error instanceof kind), `${name}: ${error}`);
    assert.ok(error.error.message && error.error.type, JSON.stringify(error.error));
    return true;
  });
}
console.log(`node refusals: ${checks.length} checks passed`);
