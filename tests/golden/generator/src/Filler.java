import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.BaseRecords;
import org.apache.kafka.common.record.internal.MemoryRecords;

/**
 * Gives every field of a message that its schema has a value that differs from the default and from
 * its neighbours', and every array two elements. The schema is that of one version; the message has
 * the fields of all.
 */
final class Filler {
    private static final int ARRAY_LENGTH = 2;

    private final Schema schema;
    private int count = 0;

    Filler(Schema schema) {
        this.schema = schema;
    }

    void fill(Object message) throws ReflectiveOperationException {
        fill(message, schema);
    }

    private void fill(Object message, Schema schema) throws ReflectiveOperationException {
        for (BoundField field : schema.fields()) {
            if (field.def.type instanceof TaggedFields tagged) {
                for (Map.Entry<Integer, org.apache.kafka.common.protocol.types.Field> entry
                        : tagged.fields().entrySet()) {
                    fill(message, entry.getValue());
                }
            } else {
                fill(message, field.def);
            }
        }
    }

    private void fill(Object message, org.apache.kafka.common.protocol.types.Field definition)
            throws ReflectiveOperationException {
        Field field = message.getClass().getDeclaredField(camelCase(definition.name));
        field.setAccessible(true);
        Object value = value(field, field.getType(), definition.type, field.get(message));
        Method setter = null;
        for (Method method : message.getClass().getMethods()) {
            boolean named = method.getName().equalsIgnoreCase("set" + field.getName());
            if (named && method.getParameterCount() == 1) {
                setter = method;
            }
        }
        if (setter == null) {
            throw new NoSuchMethodException("set" + field.getName());
        }
        setter.invoke(message, value);
    }

    private Object value(Field field, Class<?> of, Type type, Object present)
            throws ReflectiveOperationException {
        if (Collection.class.isAssignableFrom(of)) {
            return collection(field, of, type);
        }
        count++;
        if (of == boolean.class) {
            return !(Boolean) present;
        } else if (of == byte.class) {
            return (byte) (1 + count % 120);
        } else if (of == short.class) {
            return (short) (1000 + count);
        } else if (of == int.class) {
            return 10_000 + count;
        } else if (of == long.class) {
            return type == Type.UNSIGNED_INT32 ? 3_000_000_000L + count : 5_000_000_000L + count;
        } else if (of == double.class) {
            return 0.5 + count;
        } else if (of == String.class) {
            return "string-" + count;
        } else if (of == Uuid.class) {
            return new Uuid(count, -count);
        } else if (of == byte[].class) {
            return bytes();
        } else if (of == ByteBuffer.class) {
            return ByteBuffer.wrap(bytes());
        } else if (BaseRecords.class.isAssignableFrom(of)) {
            return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes()));
        }
        return struct(of, type);
    }

    private byte[] bytes() {
        return ("bytes-" + count).getBytes(StandardCharsets.UTF_8);
    }

    private Object struct(Class<?> of, Type type) throws ReflectiveOperationException {
        Object struct = of.getDeclaredConstructor().newInstance();
        fill(struct, (Schema) type);
        return struct;
    }

    @SuppressWarnings("unchecked")
    private Object collection(Field field, Class<?> of, Type type)
            throws ReflectiveOperationException {
        // A list, or one of Kafka's hashed collections, which is a class of its own per element.
        ParameterizedType generic = (ParameterizedType)
            (of == List.class ? field.getGenericType() : of.getGenericSuperclass());
        Class<?> element = unboxed((Class<?>) generic.getActualTypeArguments()[0]);
        Type elementType = type.arrayElementType().orElseThrow();
        Collection<Object> collection = of == List.class
            ? new ArrayList<>()
            : (Collection<Object>) of.getDeclaredConstructor().newInstance();
        for (int i = 0; i < ARRAY_LENGTH; i++) {
            collection.add(value(field, element, elementType, Boolean.FALSE));
        }
        return collection;
    }

    private static Class<?> unboxed(Class<?> of) {
        return java.lang.invoke.MethodType.methodType(of).unwrap().returnType();
    }

    private static String camelCase(String name) {
        StringBuilder out = new StringBuilder();
        boolean upper = false;
        for (char c : name.toCharArray()) {
            if (c == '_') {
                upper = true;
            } else {
                out.append(upper ? Character.toUpperCase(c) : c);
                upper = false;
            }
        }
        return out.toString();
    }
}
