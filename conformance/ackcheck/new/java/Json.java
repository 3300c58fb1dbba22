import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** As much JSON as the protocol needs, so that the adapter builds without a library. Put yours in its place. */
final class Json {
  private final String text;
  private int at = 0;

  private Json(String text) {
    this.text = text;
  }

  /** Returns a Map, a List, a String, a Double, a Boolean, or null. */
  static Object read(String text) {
    Json json = new Json(text);
    Object value = json.value();
    json.blanks();
    if (json.at != text.length()) throw json.wrong();
    return value;
  }

  static String write(Object value) {
    if (value instanceof Map<?, ?> map) {
      List<String> parts = new ArrayList<>();
      map.forEach((name, each) -> parts.add(write(name) + ":" + write(each)));
      return "{" + String.join(",", parts) + "}";
    }
    if (value instanceof List<?> list) {
      return "[" + String.join(",", list.stream().map(Json::write).toList()) + "]";
    }
    if (value instanceof String string) return quoted(string);
    return String.valueOf(value);
  }

  private static String quoted(String string) {
    StringBuilder out = new StringBuilder("\"");
    for (char sign : string.toCharArray()) {
      if (sign == '"' || sign == '\\') out.append('\\').append(sign);
      else if (sign < ' ') out.append(String.format("\\u%04x", (int) sign));
      else out.append(sign);
    }
    return out.append('"').toString();
  }

  private Object value() {
    blanks();
    switch (peek()) {
      case '{': {
        Map<String, Object> map = new LinkedHashMap<>();
        at++;
        for (blanks(); peek() != '}'; blanks()) {
          String name = string();
          blanks();
          expect(':');
          map.put(name, value());
          blanks();
          if (peek() == ',') at++;
          blanks();
        }
        at++;
        return map;
      }
      case '[': {
        List<Object> list = new ArrayList<>();
        at++;
        for (blanks(); peek() != ']'; blanks()) {
          list.add(value());
          blanks();
          if (peek() == ',') at++;
        }
        at++;
        return list;
      }
      case '"':
        return string();
      default:
        return word();
    }
  }

  private String string() {
    StringBuilder out = new StringBuilder();
    for (expect('"'); peek() != '"'; at++) {
      if (peek() != '\\') {
        out.append(peek());
        continue;
      }
      at++;
      int which = "bfnrt".indexOf(peek());
      if (peek() == 'u') {
        out.append((char) Integer.parseInt(text.substring(at + 1, at + 5), 16));
        at += 4;
      } else {
        out.append(which < 0 ? peek() : "\b\f\n\r\t".charAt(which));
      }
    }
    at++;
    return out.toString();
  }

  private Object word() {
    int from = at;
    while (at < text.length() && ",]} \t".indexOf(text.charAt(at)) < 0) at++;
    String word = text.substring(from, at);
    return switch (word) {
      case "null" -> null;
      case "true" -> true;
      case "false" -> false;
      default -> Double.valueOf(word);
    };
  }

  private char peek() {
    if (at >= text.length()) throw wrong();
    return text.charAt(at);
  }

  private void expect(char sign) {
    if (peek() != sign) throw wrong();
    at++;
  }

  private void blanks() {
    while (at < text.length() && text.charAt(at) <= ' ') at++;
  }

  private IllegalArgumentException wrong() {
    return new IllegalArgumentException("no JSON at character " + at + ": " + text);
  }
}
