import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;

import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.ApiMessageType.ListenerType;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.Schema;

/**
 * Writes one file per API that Kafka offers to clients. Each line is a payload: what it is, the
 * version, how it was filled, the bytes. The first line is the API's key and its stable versions.
 * The headers and the error codes have files of their own.
 */
public final class Generate {
    public static void main(String[] args) throws Exception {
        Path directory = Path.of(args[0]);
        for (ApiMessageType type : ApiMessageType.values()) {
            short max = type.highestSupportedVersion(false);
            if (type.listeners().contains(ListenerType.BROKER) && max >= 0) {
                writeApi(directory.resolve(type.name + ".txt"), type, max);
            }
        }
        try (PrintStream out = open(directory.resolve("Headers.txt"))) {
            writeHeaders(out);
        }
        try (PrintStream out = open(directory.resolve("Errors.txt"))) {
            for (Errors error : Errors.values()) {
                boolean retriable = error.exception() instanceof RetriableException;
                out.printf("%d %s %s%n", error.code(), error.name(), retriable);
            }
        }
    }

    private static void writeApi(Path file, ApiMessageType type, short max) throws Exception {
        try (PrintStream out = open(file)) {
            short min = type.lowestSupportedVersion();
            out.printf("api %d %d %d%n", type.apiKey(), min, max);
            for (short version = min; version <= max; version++) {
                out.printf("header-versions %d %d %d%n", version,
                    type.requestHeaderVersion(version), type.responseHeaderVersion(version));
            }
            for (short version = min; version <= max; version++) {
                Schema request = type.requestSchemas()[version];
                write(out, "request", version, type.newRequest(), type.newRequest(), request);
                Schema response = type.responseSchemas()[version];
                write(out, "response", version, type.newResponse(), type.newResponse(), response);
            }
        }
    }

    private static void writeHeaders(PrintStream out) throws Exception {
        for (short version = 1; version <= 2; version++) {
            write(out, "request", version, new RequestHeaderData(), new RequestHeaderData(),
                RequestHeaderData.SCHEMAS[version]);
        }
        for (short version = 0; version <= 1; version++) {
            write(out, "response", version, new ResponseHeaderData(), new ResponseHeaderData(),
                ResponseHeaderData.SCHEMAS[version]);
        }
    }

    private static void write(PrintStream out, String kind, short version, ApiMessage asDefault,
            ApiMessage filled, Schema schema) throws Exception {
        out.printf("%s %d default %s%n", kind, version, hex(asDefault, version));
        new Filler(schema).fill(filled);
        out.printf("%s %d filled %s%n", kind, version, hex(filled, version));
    }

    /** Nothing at all is a dash, so that a line always has four words. */
    private static String hex(ApiMessage message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        byte[] bytes = buffer.array();
        return bytes.length == 0 ? "-" : HexFormat.of().formatHex(bytes);
    }

    private static PrintStream open(Path file) throws IOException {
        return new PrintStream(Files.newOutputStream(file), false, StandardCharsets.UTF_8);
    }
}
