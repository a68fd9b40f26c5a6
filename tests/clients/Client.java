// Asks a gateway through the JDK's HTTP client with its defaults, which offer an upgrade to HTTP/2 with each request.
// Prints one line of JSON for each case, as clients.mjs does.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;

public class Client {
    static final HttpClient CLIENT = HttpClient.newHttpClient();
    static final String MODEL = System.getenv().getOrDefault("MODEL", "agent");
    static final String TEXT = System.getenv().getOrDefault("TEXT", "Hello.");
    static final String ASK = "{\"model\": \"" + MODEL + "\", ";
    static final String HI = "\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}";

    static HttpRequest post(String path, String body) {
        return HttpRequest.newBuilder(URI.create(System.getenv("GATEWAY") + path))
            .header("Authorization", "Bearer " + System.getenv("KEY"))
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(body))
            .build();
    }

    static void check(String name, String expected, Callable<String> seen) {
        String problem;
        try {
            String text = seen.call();
            problem = text.contains(expected) ? null : "expected " + expected + ", saw " + text;
        } catch (Exception error) {
            problem = error.toString();
        }
        String quoted = problem == null ? "null" : "\"" + problem.replaceAll("[^ -~]|[\"\\\\]", "?") + "\"";
        System.out.println("{\"case\": \"java: " + name + "\", \"problem\": " + quoted + "}");
    }

    public static void main(String[] arguments) {
        HttpResponse.BodyHandler<String> text = HttpResponse.BodyHandlers.ofString();
        String chat = "/v1/chat/completions";
        check("chat", TEXT, () -> CLIENT.send(post(chat, ASK + HI), text).body());
        check("async", TEXT, () -> CLIENT.sendAsync(post(chat, ASK + HI), text).get().body());
        check("stream", "data: [DONE]", () -> {
            HttpRequest asked = post(chat, ASK + "\"stream\": true, " + HI);
            return CLIENT.send(asked, HttpResponse.BodyHandlers.ofLines()).body().collect(Collectors.joining("\n"));
        });
        check("error", "404 model_not_found", () -> {
            HttpResponse<String> answer = CLIENT.send(post(chat, "{\"model\": \"gone\", " + HI), text);
            return answer.statusCode() + (answer.body().contains("model_not_found") ? " model_not_found" : answer.body());
        });
    }
}
