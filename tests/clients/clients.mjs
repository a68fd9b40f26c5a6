// Asks a gateway through each JavaScript client as its users do. Prints one line of JSON for each case:
// {"case": "openai: chat", "problem": null}. The gateway's address and key come from the environment.
import Anthropic from "@anthropic-ai/sdk";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import assert from "node:assert/strict";
import OpenAI from "openai";
import { z } from "zod";

const baseURL = `${process.env.GATEWAY}/v1`;
const apiKey = process.env.KEY;
const storing = { baseURL: `${process.env.STORING}/v1`, apiKey: process.env.STORING_KEY }; // keeps answers for a while
const openai = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: process.env.GATEWAY, apiKey, maxRetries: 0 });
const hi = [{ role: "user", content: "hi" }];
const facts = { city: "Paris", days: 3 };
const schema = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city", "days"],
  additionalProperties: false,
};
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const weather = { name: "weather", description: "The weather of a city.", parameters };
const cases = {};

cases["openai: chat"] = async () => {
  const answer = await openai.chat.completions.create({ model: "agent", messages: hi });
  assert.equal(answer.choices[0].message.content, "Hello.");
  assert.match(answer._request_id, /^req_/);
};
cases["openai: chat, streamed"] = async () => {
  let text = "";
  const options = { include_usage: true };
  const stream = await openai.chat.completions.create({ model: "agent", messages: hi, stream: true, stream_options: options });
  let usage;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, "Hello.");
  assert.equal(usage.total_tokens, 13);
};
cases["openai: tool loop"] = async () => {
  const runner = openai.chat.completions.runTools({
    model: "agent",
    messages: hi,
    tools: [{ type: "function", function: { ...weather, parse: JSON.parse, function: ({ city }) => `sunny in ${city}` } }],
  });
  assert.equal(await runner.finalContent(), "It is sunny in Paris");
};
cases["openai: structured output"] = async () => {
  const format = { type: "json_schema", json_schema: { name: "facts", strict: true, schema } };
  const answer = await openai.chat.completions.parse({ model: "agent", messages: hi, response_format: format });
  assert.deepEqual(JSON.parse(answer.choices[0].message.content), facts);
};
cases["openai: responses"] = async () => {
  const answer = await openai.responses.create({ model: "agent", input: "hi" });
  assert.equal(answer.output_text, "Hello.");
  const stream = openai.responses.stream({ model: "agent", input: "hi" });
  let text = "";
  for await (const event of stream) if (event.type === "response.output_text.delta") text += event.delta;
  assert.equal(text, "Hello.");
  assert.equal((await stream.finalResponse()).status, "completed");
};
cases["openai: responses, tool loop"] = async () => {
  const tools = [{ type: "function", ...weather, strict: false }];
  const first = await openai.responses.create({ model: "agent", input: hi, tools });
  const call = first.output.find((item) => item.type === "function_call");
  const output = { type: "function_call_output", call_id: call.call_id, output: "sunny" };
  const second = await openai.responses.create({ model: "agent", input: [...hi, ...first.output, output], tools });
  assert.equal(second.output_text, "It is sunny");
};
cases["openai: responses, the answer before"] = async () => {
  const client = new OpenAI({ ...storing, maxRetries: 0 });
  const tools = [{ type: "function", ...weather, strict: false }];
  const first = await client.responses.create({ model: "agent", input: "hi", tools });
  assert.equal(first.store, true);
  const call = first.output.find((item) => item.type === "function_call");
  const output = { type: "function_call_output", call_id: call.call_id, output: "sunny" };
  const asked = { model: "agent", input: [output], tools, previous_response_id: first.id };
  const second = await client.responses.create(asked);
  assert.deepEqual([second.output_text, second.previous_response_id], ["It is sunny", first.id]);
  const streamed = await client.responses.stream({ ...asked, input: [output] }).finalResponse();
  assert.equal(streamed.output_text, "It is sunny");
  const third = { model: "agent", input: "hi", previous_response_id: streamed.id };
  assert.equal((await client.responses.create(third)).output_text, "It is sunny"); // the tool's result is still there
  await assert.rejects(openai.responses.create(asked), { code: "not_stored" });
};
cases["openai: errors"] = async () => {
  await assert.rejects(openai.chat.completions.create({ model: "gone", messages: hi }), OpenAI.NotFoundError);
  await assert.rejects(openai.chat.completions.create({ model: "busy", messages: hi }), OpenAI.RateLimitError);
  await assert.rejects(openai.chat.completions.create({ model: "long", messages: hi }), { code: "context_length_exceeded" });
  await assert.rejects(openai.responses.create({ model: "long", input: "hi" }), { code: "context_length_exceeded" });
  const stranger = new OpenAI({ baseURL, apiKey: "wrong", maxRetries: 0 });
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
  const list = await openai.models.list();
  assert.ok(list.data.some((model) => model.id === "agent"));
};
cases["anthropic: messages"] = async () => {
  const message = await anthropic.messages.create({ model: "agent", max_tokens: 99, messages: hi });
  assert.deepEqual([message.content[0].text, message.stop_reason], ["Hello.", "end_turn"]);
  const stream = anthropic.messages.stream({ model: "agent", max_tokens: 99, messages: hi });
  assert.equal(await stream.finalText(), "Hello.");
  const counted = await anthropic.messages.countTokens({ model: "agent", messages: hi });
  assert.ok(counted.input_tokens > 0);
};
cases["anthropic: tool loop"] = async () => {
  const asked = { model: "agent", max_tokens: 99, tools: [{ name: "weather", input_schema: parameters }] };
  const first = await anthropic.messages.stream({ ...asked, messages: hi }).finalMessage();
  const use = first.content.find((block) => block.type === "tool_use");
  assert.deepEqual([first.stop_reason, use.input], ["tool_use", { city: "Paris" }]);
  const result = { role: "user", content: [{ type: "tool_result", tool_use_id: use.id, content: "sunny" }] };
  const messages = [...hi, { role: "assistant", content: first.content }, result];
  const second = await anthropic.messages.create({ ...asked, messages });
  assert.equal(second.content[0].text, "It is sunny");
};
cases["anthropic: errors"] = async () => {
  const ask = (model) => anthropic.messages.create({ model, max_tokens: 9, messages: hi });
  await assert.rejects(ask("gone"), Anthropic.NotFoundError);
  await assert.rejects(ask("busy"), Anthropic.RateLimitError);
  await assert.rejects(ask("long"), Anthropic.BadRequestError);
};

const tools = {
  weather: tool({
    description: "The weather of a city.",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `sunny in ${city}`,
  }),
};
const made = createOpenAI({ baseURL, apiKey });
const compatible = createOpenAICompatible({ name: "gateway", baseURL, apiKey, includeUsage: true, supportsStructuredOutputs: true });
const claude = createAnthropic({ baseURL, apiKey });
const stored = createOpenAI(storing);
const providers = {
  "ai, openai (responses)": [made("agent"), { openai: { store: false } }],
  "ai, openai (responses, kept by the gateway)": [stored("agent"), {}],
  "ai, openai.chat": [made.chat("agent"), {}],
  "ai, openai-compatible": [compatible("agent"), {}],
  "ai, anthropic": [claude("agent"), {}],
};
for (const [name, [model, providerOptions]] of Object.entries(providers)) {
  const common = { model, providerOptions, maxRetries: 0 };
  cases[`${name}: text`] = async () => {
    assert.equal((await generateText({ ...common, prompt: "hi" })).text, "Hello.");
    const stream = streamText({ ...common, prompt: "hi" });
    let text = "";
    for await (const piece of stream.textStream) text += piece;
    assert.equal(text, "Hello.");
    assert.ok((await stream.usage).totalTokens > 0);
  };
  cases[`${name}: tool loop`] = async () => {
    const whole = await generateText({ ...common, prompt: "hi", tools, stopWhen: stepCountIs(3) });
    assert.equal(whole.text, "It is sunny in Paris");
    const stream = streamText({ ...common, prompt: "hi", tools, stopWhen: stepCountIs(3) });
    assert.equal(await stream.text, "It is sunny in Paris");
    assert.equal((await stream.steps).length, 2);
  };
  cases[`${name}: structured output`] = async () => {
    const shape = z.object({ city: z.string(), days: z.number() });
    assert.deepEqual((await generateObject({ ...common, prompt: "hi", schema: shape })).object, facts);
  };
}
cases["ai, openai (responses, kept by the gateway): a second turn"] = async () => {
  const asked = { model: stored("agent"), maxRetries: 0, tools, stopWhen: stepCountIs(3) };
  const first = await generateText({ ...asked, messages: hi });
  assert.equal(first.text, "It is sunny in Paris");
  const messages = [...hi, ...first.response.messages, ...hi];
  const second = await generateText({ ...asked, messages });
  assert.equal(second.text, "It is sunny in Paris");
  assert.match(second.request.body.input?.map((item) => item.type).join() ?? String(second.request.body), /item_reference/);
  const stream = streamText({ ...asked, messages: [...messages, ...second.response.messages, ...hi] });
  assert.equal(await stream.text, "It is sunny in Paris");
};
cases["ai, openai (responses): an item that is not stored"] = async () => {
  const asked = { model: made("agent"), maxRetries: 0 };
  const first = await generateText({ ...asked, prompt: "hi" });
  const messages = [...hi, ...first.response.messages, ...hi];
  await assert.rejects(generateText({ ...asked, messages }), /providerOptions\.openai\.store = false/);
  const second = await generateText({ ...asked, messages, providerOptions: { openai: { store: false } } });
  assert.equal(second.text, "Hello.");
};

for (const [name, run] of Object.entries(cases)) {
  let problem = null;
  try {
    await run();
  } catch (error) {
    problem = String(error?.stack ?? error).slice(0, 2000);
  }
  console.log(JSON.stringify({ case: name, problem }));
}
