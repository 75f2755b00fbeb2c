// Reads JSON (RFC 8259), as far as configurations of plugins need it: texts,
// lists and objects; numbers and words stay the text that they are.
#pragma once
#include "plugin.h"

struct Json {
  enum Kind { missing, word, text, list, object } kind = missing;
  Text value;
  /// Of a member of an object.
  Text name;
  const Json *first = nullptr;
  const Json *next = nullptr;

  /// Missing if there is no such member.
  const Json &operator[](Text key) const;
  u32 number(u32 otherwise) const {
    if (kind != word) return otherwise;
    u32 result = 0;
    for (u32 index = 0; index < value.length; index++) {
      if (value[index] < '0' || value[index] > '9' || result > 100'000'000) return otherwise;
      result = result * 10 + (value[index] - '0');
    }
    return result;
  }
};

static const Json noJson;

inline const Json &Json::operator[](Text key) const {
  if (kind == object)
    for (const Json *member = first; member != nullptr; member = member->next)
      if (member->name == key) return *member;
  return noJson;
}

struct JsonReader {
  Text input;
  u32 at = 0;
  bool isWrong = false;
  int depth = 0;

  char peek() {
    while (at < input.length && (input[at] == ' ' || input[at] == '\n' || input[at] == '\r' || input[at] == '\t')) at++;
    return at < input.length ? input[at] : 0;
  }
  bool take(char wanted) {
    if (peek() != wanted) return false;
    at++;
    return true;
  }
  void expect(char wanted) {
    if (!take(wanted)) isWrong = true;
  }

  u32 hex4() {
    u32 code = 0;
    for (int digit = 0; digit < 4; digit++) {
      char byte = at < input.length ? lower(input[at++]) : 'x';
      if (byte >= '0' && byte <= '9') code = code * 16 + (byte - '0');
      else if (byte >= 'a' && byte <= 'f') code = code * 16 + (byte - 'a' + 10);
      else isWrong = true;
    }
    return code;
  }

  void addUtf8(Builder &to, u32 code) {
    if (code < 0x80) return to.add((char)code);
    if (code < 0x800) to.add((char)(0xc0 | code >> 6));
    else if (code < 0x10000) to.add((char)(0xe0 | code >> 12));
    else to.add((char)(0xf0 | code >> 18));
    if (code >= 0x10000) to.add((char)(0x80 | (code >> 12 & 0x3f)));
    if (code >= 0x800) to.add((char)(0x80 | (code >> 6 & 0x3f)));
    to.add((char)(0x80 | (code & 0x3f)));
  }

  Text string() {
    Builder result;
    expect('"');
    while (!isWrong) {
      char byte = at < input.length ? input[at++] : 0;
      if (byte == '"') break;
      if ((unsigned char)byte < 0x20) isWrong = true;
      else if (byte != '\\') result.add(byte);
      else {
        char escaped = at < input.length ? input[at++] : 0;
        const Text names = "\"\\/bfnrt", values = "\"\\/\b\f\n\r\t";
        u32 index = 0;
        while (index < names.length && names[index] != escaped) index++;
        if (index < names.length) result.add(values[index]);
        else if (escaped != 'u') isWrong = true;
        else {
          u32 code = hex4();
          if (code >> 10 == 0x36 && at + 1 < input.length && input[at] == '\\' && input[at + 1] == 'u') {
            at += 2;
            code = 0x10000 + ((code & 0x3ff) << 10) + (hex4() & 0x3ff);
          }
          addUtf8(result, code);
        }
      }
    }
    return result.text();
  }

  const Json *members(bool isObject) {
    const Json *first = nullptr;
    Json *last = nullptr;
    const char end = isObject ? '}' : ']';
    at++;
    if (take(end)) return nullptr;
    do {
      peek();
      Text name = isObject ? string() : Text();
      if (isObject) expect(':');
      Json *member = value();
      member->name = name;
      if (last == nullptr) first = member;
      else last->next = member;
      last = member;
    } while (!isWrong && take(','));
    expect(end);
    return first;
  }

  Json *value() {
    Json *result = make<Json>();
    const char begin = peek();
    if (++depth > 32 || begin == 0) isWrong = true;
    else if (begin == '"') {
      result->kind = Json::text;
      result->value = string();
    } else if (begin == '{' || begin == '[') {
      result->kind = begin == '{' ? Json::object : Json::list;
      result->first = members(begin == '{');
    } else {
      result->kind = Json::word;
      const u32 start = at;
      while (at < input.length && input[at] > ' ' && !Text(",]}").contains(Text(&input.data[at], 1))) at++;
      result->value = Text(input.data + start, at - start);
      if (at == start) isWrong = true;
    }
    depth--;
    return result;
  }
};

/// @returns nullptr if it is no JSON
static inline const Json *parseJson(Text text) {
  JsonReader reader{text};
  const Json *result = reader.value();
  return reader.isWrong || reader.peek() != 0 ? nullptr : result;
}
