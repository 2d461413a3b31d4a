// The official client and Vercel's AI SDK against the door: what they read, as one line of JSON.
import OpenAI from "openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";

const [baseURL, apiKey] = process.argv.slice(1);
const messages = [{ role: "user", content: "count to 5" }];

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const models = [];
for await (const model of client.models.list()) models.push(model.id);
const whole = await client.chat.completions.create({ model: "scripted", messages });
let text = "";
let usage = null;
const stream = await client.chat.completions.create({
  model: "scripted",
  messages,
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}
const refusal = await client.chat.completions.create({ model: "nothing", messages }).catch((error) => error);

const sdk = createOpenAICompatible({ name: "chatkeep", baseURL, apiKey, includeUsage: true });
const streamed = streamText({ model: sdk("scripted"), messages });
let sdkText = "";
for await (const part of streamed.textStream) sdkText += part;
const generated = await generateText({ model: sdk("scripted"), messages });

console.log(JSON.stringify({
  models,
  whole: whole.choices[0].message.content,
  text,
  usage: usage?.completion_tokens,
  refusal: [refusal.constructor.name, refusal.status, refusal.code],
  sdkText,
  sdkUsage: (await streamed.usage).outputTokens,
  sdkWhole: generated.text,
}));
