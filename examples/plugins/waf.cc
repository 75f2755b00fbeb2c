// A small web application firewall: texts that no honest request has, in the request's first line, its fields and its body.
#include "json.h"

enum Place : u32 { line = 1, fields = 2, body = 4 };

struct Rule {
  Text id;
  u32 places;
  Text parts[8];
};

/// In lower case, and with one blank between words: what is looked at is brought into this form.
static const Rule rules[] = {
    {"path-traversal", line | body, {"../", "..\\", "/etc/passwd", "/proc/self/"}},
    {"sql-injection", line | body,
     {"union select", "union all select", "' or '", "\" or \"", " or 1=1", "; drop table", "information_schema", "sleep("}},
    {"script-injection", line | body, {"<script", "javascript:", "onerror=", "onload=", "srcdoc="}},
    {"command-injection", line | fields | body, {"() {", "$(", "; cat ", "| sh", "&& wget ", "&& curl "}},
    {"jndi-lookup", line | fields | body, {"${jndi:", "${lower:", "${env:"}},
    {"scanner", fields, {"sqlmap", "nikto", "nessus", "acunetix", "dirbuster", "masscan"}},
};

static const Json *configuration = &noJson;
static bool onlyDetects = false;
static u32 maxBodyBytes = 0;
static u32 metric = 0;

EXPORT(proxy_on_configure) int proxy_on_configure(u32, u32 size) {
  if (size > 0) {
    configuration = parseJson(bytes(pluginConfiguration, size));
    if (configuration == nullptr || configuration->kind != Json::object) {
      warn("the configuration is no object of JSON");
      return 0;
    }
  }
  const Text mode = (*configuration)["mode"].value;
  if (mode.length > 0 && !(mode == "block") && !(mode == "detect")) {
    warn("mode is block or detect");
    return 0;
  }
  onlyDetects = mode == "detect";
  maxBodyBytes = (*configuration)["maxBodyBytes"].number(65536);
  const Text name = "waf_matches";
  proxy_define_metric(0, name.data, name.length, &metric);
  keepConfiguration();
  return 1;
}

static int hexDigit(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  byte = lower(byte);
  return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/// `%3c` is `<`, and what is no such thing stays as it is.
static Text decoded(Text text) {
  Builder result;
  for (u32 at = 0; at < text.length; at++) {
    const int high = text[at] == '%' && at + 2 < text.length ? hexDigit(text[at + 1]) : -1;
    const int low = high < 0 ? -1 : hexDigit(text[at + 2]);
    if (low < 0) result.add(text[at] == '+' ? ' ' : text[at]);
    else {
      result.add((char)(high * 16 + low));
      at += 2;
    }
  }
  return result.text();
}

/// In lower case, comments of SQL as blanks, several blanks as one.
static Text normal(Text text) {
  Builder result;
  bool wasBlank = false;
  for (u32 at = 0; at < text.length; at++) {
    char byte = lower(text[at]);
    if (byte == '/' && at + 1 < text.length && text[at + 1] == '*') {
      u32 end = at + 2;
      while (end + 1 < text.length && !(text[end] == '*' && text[end + 1] == '/')) end++;
      at = end + 1;
      byte = ' ';
    }
    if (byte == '\t' || byte == '\n' || byte == '\r' || byte == 0) byte = ' ';
    if (byte != ' ' || !wasBlank) result.add(byte);
    wasBlank = byte == ' ';
  }
  return result.text();
}

static bool isOff(Text id) {
  for (const Json *item = (*configuration)["off"].first; item != nullptr; item = item->next)
    if (item->value == id) return true;
  return false;
}

static bool isAt(const Json &places, Place place) {
  const Text name = place == line ? "line" : place == fields ? "headers" : "body";
  for (const Json *item = places.first; item != nullptr; item = item->next)
    if (item->value == name) return true;
  return false;
}

/// @returns the id of the rule that the text breaks, or nothing
static Text broken(Place place, Text raw) {
  // Twice: what is encoded twice is decoded twice somewhere behind.
  const Text once = place == fields ? raw : decoded(raw);
  const Text text = normal(place == fields ? raw : decoded(once));
  for (const Rule &rule : rules) {
    if ((rule.places & place) == 0 || isOff(rule.id)) continue;
    for (const Text &part : rule.parts)
      if (part.length > 0 && text.contains(part)) return rule.id;
  }
  for (const Json *rule = (*configuration)["rules"].first; rule != nullptr; rule = rule->next) {
    if (!isAt((*rule)["in"], place)) continue;
    for (const Json *part = (*rule)["contains"].first; part != nullptr; part = part->next)
      if (part->value.length > 0 && text.contains(part->value)) return (*rule)["id"].value;
  }
  return Text();
}

static Action refuse(int status, Text id) {
  proxy_increment_metric(metric, 1);
  Builder message;
  message.add("a request breaks the rule ");
  message.add(id);
  warn(message.text());
  if (onlyDetects) return pass;
  Builder details;
  details.add("waf_");
  details.add(id);
  return answer(status, details.text(), "The request was refused.\n");
}

static u32 numberAt(Text text, u32 at) {
  u32 value = 0;
  for (u32 index = 4; index-- > 0;) value = value << 8 | (unsigned char)text[at + index];
  return value;
}

/// Values of the ABI's list of pairs: a count, the lengths of names and values, then both, each with a zero behind it.
static Text brokenField() {
  Text pairs;
  proxy_get_header_map_pairs(requestHeaders, &pairs.data, &pairs.length);
  const u32 count = pairs.length < 4 ? 0 : numberAt(pairs, 0);
  u32 at = 4 + count * 8;
  for (u32 index = 0; index < count; index++) {
    const u32 nameLength = numberAt(pairs, 4 + index * 8), valueLength = numberAt(pairs, 8 + index * 8);
    const bool isOfLine = pairs[at] == ':';
    const Text value(pairs.data + at + nameLength + 1, valueLength);
    at += nameLength + valueLength + 2;
    const Text id = isOfLine ? Text() : broken(fields, value);
    if (id.length > 0) return id;
  }
  return Text();
}

EXPORT(proxy_on_request_headers) int proxy_on_request_headers(u32, u32, u32 isEnd) {
  beginCallback();
  Text id = broken(line, header(requestHeaders, ":path"));
  if (id.length == 0) id = brokenField();
  if (id.length > 0) return refuse(403, id);
  // Nobody can look into what is packed.
  if (!isEnd && header(requestHeaders, "content-encoding").length > 0) return refuse(415, "encoded-body");
  return pass;
}

EXPORT(proxy_on_request_body) int proxy_on_request_body(u32, u32 size, u32 isEnd) {
  beginCallback();
  if (size > maxBodyBytes) return refuse(413, "long-body");
  if (!isEnd) return pause;
  const Text id = broken(body, bytes(requestBody, size));
  return id.length > 0 ? refuse(403, id) : pass;
}

// Trailers end a body without isEnd: what was collected is looked at before they go on.
EXPORT(proxy_on_request_trailers) int proxy_on_request_trailers(u32, u32) {
  beginCallback();
  const Text id = broken(body, bytes(requestBody, maxBodyBytes));
  return id.length > 0 ? refuse(403, id) : pass;
}
