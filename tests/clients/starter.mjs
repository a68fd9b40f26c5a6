// Asks the shipped model through each JavaScript client. Prints lines as clients.mjs does.
import Anthropic from "@anthropic-ai/sdk";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject, generateText, streamText } from "ai";
import assert from "node:assert/strict";
import OpenAI from "openai";
import { z } from "zod";

const baseURL = `${process.env.GATEWAY}/v1`;
const apiKey = process.env.KEY;
const prompt = "Where is my order?";
const messages = [{ role: "user", content: prompt }];
const openai = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: process.env.GATEWAY, apiKey, maxRetries: 0 });
const cases = {};
const greedy = { temperature: 0 };
const whole = (await openai.chat.completions.create({ model: "starter", messages, ...greedy })).choices[0].message.content;

cases["openai: chat, streamed"] = async () => {
  let text = "";
  for await (const chunk of await openai.chat.completions.create({ model: "starter", messages, ...greedy, stream: true })) {
    text += chunk.choices[0]?.delta.content ?? "";
  }
  assert.ok(whole.length > 0);
  assert.equal(text, whole);
};
cases["openai: responses"] = async () => {
  assert.equal((await openai.responses.create({ model: "starter", input: prompt, ...greedy })).output_text, whole);
  const stream = openai.responses.stream({ model: "starter", input: prompt, ...greedy });
  assert.equal((await stream.finalResponse()).output_text, whole);
};
cases["openai: embeddings are told of"] = async () => {
  await assert.rejects(openai.embeddings.create({ model: "starter", input: "a" }), OpenAI.BadRequestError);
};
cases["anthropic: messages"] = async () => {
  const asked = { model: "starter", max_tokens: 64, messages, ...greedy };
  assert.equal((await anthropic.messages.create(asked)).content[0].text, whole);
  assert.equal(await anthropic.messages.stream(asked).finalText(), whole);
};
const providers = {
  "ai, openai (responses)": [createOpenAI({ baseURL, apiKey })("starter"), { openai: { store: false } }],
  "ai, openai.chat": [createOpenAI({ baseURL, apiKey }).chat("starter"), {}],
  "ai, openai-compatible": [
    createOpenAICompatible({ name: "gateway", baseURL, apiKey, supportsStructuredOutputs: true })("starter"),
    {},
  ],
  "ai, anthropic": [createAnthropic({ baseURL, apiKey })("starter"), {}],
};
for (const [name, [model, providerOptions]] of Object.entries(providers)) {
  const common = { model, providerOptions, maxRetries: 0, temperature: 0 };
  cases[`${name}: text`] = async () => {
    assert.equal((await generateText({ ...common, prompt })).text, whole);
    assert.equal(await streamText({ ...common, prompt }).text, whole);
  };
}
cases["ai, openai-compatible: structured output"] = async () => {
  const [model] = providers["ai, openai-compatible"];
  const schema = z.object({ kind: z.enum(["order", "refund"]) });
  const { object } = await generateObject({ model, maxRetries: 0, prompt, schema });
  assert.ok(["order", "refund"].includes(object.kind));
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
