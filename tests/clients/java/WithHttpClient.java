import java.net.Authenticator;
import java.net.PasswordAuthentication;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;

/** Prints the long answer, what it posted, and the version of HTTP. */
class WithHttpClient {
    public static void main(String[] arguments) throws Exception {
        HttpClient.Builder builder = HttpClient.newBuilder();
        if (arguments.length == 2) {
            builder.authenticator(new Authenticator() {
                @Override
                protected PasswordAuthentication getPasswordAuthentication() {
                    boolean asked = getRequestorType() == RequestorType.PROXY;
                    return asked ? new PasswordAuthentication("vultrino", arguments[1].toCharArray()) : null;
                }
            });
        }
        HttpClient client = builder.build();
        show(client, HttpRequest.newBuilder(URI.create(arguments[0] + "/whole")));
        HttpRequest.Builder post = HttpRequest.newBuilder(URI.create(arguments[0] + "/echo"));
        System.out.println(show(client, post.POST(BodyPublishers.ofString("posted\n"))).version());
    }

    static HttpResponse<String> show(HttpClient client, HttpRequest.Builder request) throws Exception {
        HttpResponse<String> answer = client.send(request.build(), BodyHandlers.ofString());
        if (answer.statusCode() != 200) throw new IllegalStateException(answer.toString());
        System.out.print(answer.body());
        return answer;
    }
}
