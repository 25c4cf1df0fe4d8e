// Uses the generated types with openapi-fetch; prints what it found as one line of JSON.
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

declare const process: { argv: string[]; stdout: { write(text: string): void } };
const [, , baseUrl = "", token = "", name = ""] = process.argv;

const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

const me = await client.GET("/v1/me");
const created = await client.POST("/v1/data/product", { body: { name } });
const path = { row_id: String(created.data?.id) };
const changed = await client.PATCH("/v1/data/product/{row_id}", {
  params: { path },
  body: { name: `${name}, changed` },
});
const page = await client.GET("/v1/data/product", { params: { query: { limit: 1, order: "-id" } } });
const models = await client.GET("/v1/classification/models");
const tools = await client.GET("/v1/agents/tools");
const removed = await client.DELETE("/v1/data/product/{row_id}", { params: { path } });
const missing = await client.GET("/v1/data/product/{row_id}", { params: { path } });

process.stdout.write(
  JSON.stringify({
    username: me.data?.username,
    created: created.data?.name,
    changed: changed.data?.name,
    listed: page.data?.items.map((row) => row.name),
    models: (models.data?.models.length ?? 0) > 0,
    tools: tools.response.status,
    removed: removed.response.status,
    missing: missing.error?.type,
  }),
);
