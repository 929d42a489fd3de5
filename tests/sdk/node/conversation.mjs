// OpenAI's own JavaScript client holds conversations with a running gateway.
//
// The gateway is named by REGROW_BASE_URL and REGROW_TOKEN; its model must be the scripted model server, which obeys the
// directives in the messages and is asked at REGROW_MODEL_URL what it saw.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import OpenAI from 'openai';

const { REGROW_BASE_URL: baseURL, REGROW_TOKEN: apiKey, REGROW_MODEL_URL: modelUrl } = process.env;
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 30_000 });
const model = 'openclaw/default';

const newId = () => `js-${randomUUID().slice(0, 13)}`;
const user = (content) => ({ role: 'user', content });

/** What the model server saw of a message. */
async function callsOf(id) {
  const response = await fetch(`${modelUrl.replace(/\/v1$/, '')}/__calls`);
  return (await response.json()).calls.filter((call) => call.id === id);
}

/** Streams a completion; returns its text pieces, its finish reason and its usage. */
async function streamed(request, options) {
  const answer = { pieces: [], reason: null, usage: null };
  for await (const chunk of await client.chat.completions.create({ model, stream: true, ...request }, options)) {
    answer.usage = chunk.usage ?? answer.usage;
    for (const { delta, finish_reason: reason } of chunk.choices) {
      answer.reason = reason ?? answer.reason;
      if (delta.content) answer.pieces.push(delta.content);
    }
  }
  return answer;
}

/** A tool that the client runs, and the list of what it was asked. */
function weatherTool() {
  const asked = [];
  const weather = ({ city }) => {
    asked.push(city);
    return `${city}: 18 degrees`;
  };
  const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
  const description = { name: 'get_weather', description: 'The weather of a city', parameters };
  const tool = { type: 'function', function: { ...description, function: weather, parse: JSON.parse } };
  return { asked, tool };
}

/** Lets the client run tools until the answer is text; returns that text and what the tool was asked. */
async function runWeatherTools(stream) {
  const { asked, tool } = weatherTool();
  const directives = ['Köln', 'Bonn'].map((city) => `tool=get_weather args={"city":"${city}"}`).join(' ');
  const messages = [user(`[[id=${newId()} ${directives}]]`)];
  const runner = client.chat.completions.runTools({ model, stream, messages, tools: [tool] });
  return { text: await runner.finalContent(), asked };
}

const checks = {
  async listsModels() {
    const ids = [];
    for await (const { id } of client.models.list()) ids.push(id);
    for (const id of ['openclaw', 'openclaw/default', 'openclaw/main']) assert.ok(ids.includes(id), `${ids}`);
  },

  async answersInOnePiece() {
    const id = newId();
    const completion = await client.chat.completions.create({ model, messages: [user(`[[id=${id} tokens=8]]`)] });
    const [{ message, finish_reason: reason }] = completion.choices;
    assert.equal(reason, 'stop');
    assert.match(message.content, new RegExp(`^reply to ${id}: turns=1 seen=${id}.* w8$`));
    assert.ok(completion.usage.total_tokens > 0);
  },

  async answersAsAStream() {
    const id = newId();
    const { pieces, reason } = await streamed({ messages: [user(`[[id=${id} tokens=20 delay_ms=10]]`)] });
    assert.ok(pieces.length > 1);
    assert.match(pieces.join(''), new RegExp(`^reply to ${id}: .* w20$`));
    assert.equal(reason, 'stop');
  },

  async reportsUsageOfAStreamWhenAsked() {
    const messages = [user(`[[id=${newId()}]]`)];
    const { usage } = await streamed({ messages, stream_options: { include_usage: true } });
    assert.ok(usage.prompt_tokens > 0 && usage.completion_tokens > 0);
  },

  async runsClientTools() {
    const { text, asked } = await runWeatherTools(false);
    assert.deepEqual(asked, ['Köln', 'Bonn']);
    assert.match(text, /result=Köln: 18 degrees result=Bonn: 18 degrees$/);
  },

  async runsClientToolsInAStream() {
    const { text, asked } = await runWeatherTools(true);
    assert.deepEqual(asked, ['Köln', 'Bonn']);
    assert.match(text, /result=Köln: 18 degrees result=Bonn: 18 degrees$/);
  },

  async remembersAUser() {
    const [person, first, second] = [newId(), newId(), newId()];
    await streamed({ messages: [user(`[[id=${first}]]`)], user: person });
    const { pieces } = await streamed({ messages: [user(`[[id=${second}]]`)], user: person });
    assert.equal(pieces.join(''), `reply to ${second}: turns=2 seen=${first},${second}`);
  },

  async answersAnIdempotencyKeyOnce() {
    const [id, session] = [newId(), newId()];
    const headers = { 'Idempotency-Key': newId(), 'x-openclaw-session-key': session };
    const ask = () => client.chat.completions.create({ model, messages: [user(`[[id=${id}]]`)] }, { headers });
    const [first, second] = [await ask(), await ask()];
    assert.equal(first.id, second.id);
    assert.equal(first.choices[0].message.content, second.choices[0].message.content);
    assert.equal((await callsOf(id)).length, 1);
  },

  async stopsAStreamInTheMiddle() {
    const messages = [user(`[[id=${newId()} tokens=10000 delay_ms=10]]`)];
    const stream = await client.chat.completions.create({ model, messages, stream: true });
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content) break;
    }
    assert.ok(stream.controller.signal.aborted);
  },
};

for (const [name, check] of Object.entries(checks)) {
  console.log(`  ${name}`);
  await check();
}
console.log(`node conversation: ${Object.keys(checks).length} checks passed`);
