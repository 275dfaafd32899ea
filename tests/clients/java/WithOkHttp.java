import okhttp3.Credentials;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;
import okhttp3.Response;

/** Prints the long answer, what it posted, and the version of HTTP. */
class WithOkHttp {
    public static void main(String[] arguments) throws Exception {
        OkHttpClient.Builder builder = new OkHttpClient.Builder();
        if (arguments.length == 2) {
            String shown = Credentials.basic("vultrino", arguments[1]);
            builder.proxyAuthenticator((route, answer) ->
                answer.request().newBuilder().header("Proxy-Authorization", shown).build());
        }
        OkHttpClient client = builder.build();
        show(client, new Request.Builder().url(arguments[0] + "/whole"));
        RequestBody body = RequestBody.create("posted\n", null);
        System.out.println(show(client, new Request.Builder().url(arguments[0] + "/echo").post(body)).protocol());
        client.dispatcher().executorService().shutdown();
        client.connectionPool().evictAll();
    }

    static Response show(OkHttpClient client, Request.Builder request) throws Exception {
        try (Response answer = client.newCall(request.build()).execute()) {
            if (!answer.isSuccessful()) throw new IllegalStateException(answer.toString());
            System.out.print(answer.body().string());
            return answer;
        }
    }
}
