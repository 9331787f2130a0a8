import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams: plays per region, hour and track in RocksDB with a changelog, and the top 100 of each region
 * and hour sent on every two seconds.
 *
 * <p>Written to be fast: plays come keyed by track, so each is counted where it arrives, without a repartition
 * topic; the record cache holds what changed between two commits; JSON is read as a stream of tokens. All is
 * done once the group's committed offsets name every play: by then the store, its changelog and the lists are
 * acknowledged.
 */
public final class Charts {
    static final String URL = System.getenv("BENCH_KAFKA");
    static final String TOPIC = System.getenv("BENCH_TOPIC");
    static final String NAME = System.getenv("BENCH_NAME");
    static final Path FOLDER = Path.of(System.getenv("BENCH_FOLDER"));
    static final long PLAYS = Long.parseLong(System.getenv("BENCH_PLAYS"));
    static final int PARTITIONS = Integer.parseInt(System.getenv("BENCH_PARTITIONS"));
    static final String GUARANTEE = System.getenv("BENCH_GUARANTEE");

    static final String CELLS = "cells";
    static final int TOP = 100;
    static final int HOUR_MS = 3_600_000;
    static final Duration FLUSH = Duration.ofSeconds(2);
    static final Duration LOOK = Duration.ofMillis(50);
    static final JsonFactory JSON = new JsonFactory();
    /** When the first play was at hand; 0 before. */
    static final AtomicLong first = new AtomicLong();

    public static void main(String[] arguments) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", URL))) {
            NewTopic boards = new NewTopic(NAME + "-boards", Optional.of(PARTITIONS), Optional.empty());
            admin.createTopics(List.of(boards.configs(Map.of("cleanup.policy", "compact")))).all().get();
            KafkaStreams streams = new KafkaStreams(topology(), settings());
            streams.setUncaughtExceptionHandler(error -> {
                error.printStackTrace();
                Runtime.getRuntime().halt(1);
                return StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
            });
            streams.start();
            Moment half = null;
            Moment last = committed(admin);
            while (last.plays < PLAYS) {
                Thread.sleep(LOOK.toMillis());
                last = committed(admin);
                half = half == null && last.plays >= PLAYS / 2 ? last : half;
            }
            writeCells(streams);
            tell(half, last);
            streams.close();
        }
    }

    static Topology topology() {
        var cells = Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore(CELLS), Serdes.String(), Serdes.Long());
        return new Topology()
                .addSource("plays", TOPIC)
                .addProcessor("count", Count::new, "plays")
                .addStateStore(cells.withCachingEnabled(), "count")
                .addSink("boards", NAME + "-boards", "count");
    }

    static Properties settings() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", URL);
        settings.put("application.id", NAME);
        settings.put("state.dir", FOLDER.resolve("state").toString());
        settings.put("processing.guarantee", GUARANTEE);
        settings.put("default.key.serde", Serdes.ByteArraySerde.class);
        settings.put("default.value.serde", Serdes.ByteArraySerde.class);
        settings.put("num.stream.threads", Math.min(PARTITIONS, Runtime.getRuntime().availableProcessors()));
        settings.put("commit.interval.ms", FLUSH.toMillis());
        settings.put("statestore.cache.max.bytes", 256 << 20);
        settings.put("auto.offset.reset", "earliest");
        settings.put("max.poll.records", 10_000);
        settings.put("max.partition.fetch.bytes", 4 << 20);
        settings.put("batch.size", 512 << 10);
        settings.put("session.timeout.ms", 6_000);
        settings.put("heartbeat.interval.ms", 2_000);
        return settings;
    }

    /** Counts one partition. */
    static final class Count implements Processor<byte[], byte[], byte[], byte[]> {
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<String, Long> cells;
        /** By region and hour. */
        private final Map<String, TopList> lists = new HashMap<>();

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            this.context = context;
            cells = context.getStateStore(CELLS);
            try (var all = cells.all()) {
                all.forEachRemaining(cell -> {
                    int split = cell.key.lastIndexOf(' ');
                    list(cell.key.substring(0, split)).offer(cell.key.substring(split + 1), cell.value);
                });
            }
            context.schedule(FLUSH, PunctuationType.WALL_CLOCK_TIME, at -> send(at));
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            first.compareAndSet(0, System.nanoTime());
            Play play = Play.of(record.value());
            String chart = play.region + ' ' + play.playedAt / HOUR_MS;
            String cell = chart + ' ' + play.track;
            Long before = cells.get(cell);
            long plays = before == null ? 1 : before + 1;
            cells.put(cell, plays);
            list(chart).offer(play.track, plays);
        }

        private TopList list(String chart) {
            return lists.computeIfAbsent(chart, name -> new TopList());
        }

        /** Send the lists that changed; whoever shows a chart merges those of all partitions. */
        private void send(long at) {
            lists.forEach((chart, list) -> {
                if (list.changed) {
                    String key = chart + ' ' + context.taskId().partition();
                    context.forward(new Record<>(key.getBytes(), list.text().getBytes(), at));
                    list.changed = false;
                }
            });
        }
    }

    /** What a play says of interest. */
    record Play(String region, String track, long playedAt) {
        static Play of(byte[] value) {
            String region = null;
            String track = null;
            long playedAt = 0;
            try (var parser = JSON.createParser(value)) {
                parser.nextToken();
                for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
                    JsonToken token = parser.nextToken();
                    switch (name) {
                        case "region" -> region = parser.getText();
                        case "track_id" -> track = parser.getText();
                        case "played_at" -> playedAt = parser.getLongValue();
                        default -> parser.skipChildren();
                    }
                }
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
            return new Play(region, track, playedAt);
        }
    }

    /** The most played tracks of one chart, by plays and then by name; plays only ever rise. */
    static final class TopList {
        private static final Comparator<Map.Entry<String, Long>> ORDER =
                Map.Entry.<String, Long>comparingByValue().reversed().thenComparing(Map.Entry.comparingByKey());

        private final Map<String, Long> best = new HashMap<>();
        /** The last one of a full list, as it was: what comes behind it is in no list. */
        private Map.Entry<String, Long> bound;
        boolean changed;

        void offer(String track, long plays) {
            Map.Entry<String, Long> entry = Map.entry(track, plays);
            if (bound != null && ORDER.compare(entry, bound) > 0) {
                return;
            }
            changed = true;
            best.put(track, plays);
            if (best.size() > TOP) {
                best.remove(last().getKey());
                bound = last();
            }
        }

        private Map.Entry<String, Long> last() {
            Map.Entry<String, Long> found = null;
            for (var entry : best.entrySet()) {
                found = found == null || ORDER.compare(entry, found) > 0 ? entry : found;
            }
            return Map.entry(found.getKey(), found.getValue());
        }

        String text() {
            List<Map.Entry<String, Long>> rows = new ArrayList<>(best.entrySet());
            rows.sort(ORDER);
            StringBuilder text = new StringBuilder();
            rows.forEach(row -> text.append(row.getKey()).append(' ').append(row.getValue()).append('\n'));
            return text.toString();
        }
    }

    /** So many plays were done at a moment of the clock all processes share. */
    record Moment(double at, long plays) {}

    /** What the group has committed. */
    static Moment committed(Admin admin) throws Exception {
        var offsets = admin.listConsumerGroupOffsets(NAME).partitionsToOffsetAndMetadata().get().values();
        return new Moment(
                System.nanoTime() / 1e9, offsets.stream().mapToLong(OffsetAndMetadata::offset).sum());
    }

    static void writeCells(KafkaStreams streams) throws IOException {
        var cells = streams.store(
                StoreQueryParameters.fromNameAndType(CELLS, QueryableStoreTypes.<String, Long>keyValueStore()));
        try (var file = Files.newBufferedWriter(FOLDER.resolve("counts.tsv")); var all = cells.all()) {
            while (all.hasNext()) {
                var cell = all.next();
                file.write(cell.key.replace(' ', '\t') + '\t' + cell.value + '\n');
            }
        }
    }

    /** Written last, and whole: the answer is there. */
    static void tell(Moment half, Moment last) throws IOException {
        Path draft = FOLDER.resolve("result.draft");
        String text = "{\"first\": %f, \"last\": %f, \"half\": %f, \"half_plays\": %d}";
        Files.writeString(
                draft, String.format(Locale.ROOT, text, first.get() / 1e9, last.at, half.at, half.plays));
        Files.move(draft, FOLDER.resolve("result.json"));
    }
}
