// Removes, renames, sets and adds header fields of requests and responses, as its configuration says.
#include "json.h"

static const Json *configuration = &noJson;

EXPORT(proxy_on_configure) int proxy_on_configure(u32, u32 size) {
  const Json *read = parseJson(bytes(pluginConfiguration, size));
  if (read == nullptr || read->kind != Json::object) {
    warn("the configuration is no object of JSON");
    return 0;
  }
  for (const Json *part = read->first; part != nullptr; part = part->next) {
    if (part->name == "request" || part->name == "response") continue;
    warn("the configuration has request and response, and nothing else");
    return 0;
  }
  configuration = read;
  keepConfiguration();
  return 1;
}

/// `{name}` stands for the value of that field, or nothing.
static Text filled(Map map, Text pattern) {
  // The host allocates, so all values come first.
  Text values[16];
  u32 count = 0;
  for (u32 at = 0; at < pattern.length && count < 16; at++) {
    if (pattern[at] != '{') continue;
    u32 end = at;
    while (end < pattern.length && pattern[end] != '}') end++;
    if (end < pattern.length) values[count++] = header(map, Text(pattern.data + at + 1, end - at - 1));
    at = end;
  }
  Builder result;
  u32 used = 0;
  for (u32 at = 0; at < pattern.length; at++) {
    u32 end = at;
    if (pattern[at] == '{' && used < count)
      while (end < pattern.length && pattern[end] != '}') end++;
    if (end == at || end == pattern.length) result.add(pattern[at]);
    else {
      result.add(values[used++]);
      at = end;
    }
  }
  return result.text();
}

static void rewrite(Map map, const Json &rules) {
  for (const Json *item = rules["remove"].first; item != nullptr; item = item->next)
    proxy_remove_header_map_value(map, item->value.data, item->value.length);
  for (const Json *item = rules["rename"].first; item != nullptr; item = item->next) {
    const Text value = header(map, item->name);
    if (value.data == nullptr) continue;
    proxy_remove_header_map_value(map, item->name.data, item->name.length);
    proxy_replace_header_map_value(map, item->value.data, item->value.length, value.data, value.length);
  }
  for (const Json *item = rules["set"].first; item != nullptr; item = item->next) {
    const Text value = filled(map, item->value);
    proxy_replace_header_map_value(map, item->name.data, item->name.length, value.data, value.length);
  }
  for (const Json *item = rules["add"].first; item != nullptr; item = item->next) {
    const Text value = filled(map, item->value);
    proxy_add_header_map_value(map, item->name.data, item->name.length, value.data, value.length);
  }
}

EXPORT(proxy_on_request_headers) int proxy_on_request_headers(u32, u32, u32) {
  beginCallback();
  rewrite(requestHeaders, (*configuration)["request"]);
  return pass;
}

EXPORT(proxy_on_response_headers) int proxy_on_response_headers(u32, u32, u32) {
  beginCallback();
  rewrite(responseHeaders, (*configuration)["response"]);
  return pass;
}
